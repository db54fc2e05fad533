"""Questions asked of schemes."""
