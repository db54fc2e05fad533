"""Pages that open in any browser without a network: what a report is made of."""
