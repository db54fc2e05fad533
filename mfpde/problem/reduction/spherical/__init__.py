"""Units on inputs that are uniform on the sphere S^(d-1)(sqrt d)."""
