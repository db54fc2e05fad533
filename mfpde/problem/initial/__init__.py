"""rho_0: laws of independent labels, of atoms, by a joint density, and of a norm and a direction."""
