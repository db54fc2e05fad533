"""The door: from TOML tables, files and --set to a declared experiment, every mistake told at once."""
