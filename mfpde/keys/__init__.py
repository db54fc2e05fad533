"""Keys of a TOML table: one declaration each, which the reader, the writer and the reference share."""
