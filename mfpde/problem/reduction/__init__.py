"""How a unit is averaged over the symmetries of a data law."""
