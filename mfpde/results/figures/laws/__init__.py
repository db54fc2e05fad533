"""Laws: their marginals."""
