"""Features tabulated by high-order tensor elements."""
