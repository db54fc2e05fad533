"""report: one problem as a whole, on a page that opens anywhere."""
