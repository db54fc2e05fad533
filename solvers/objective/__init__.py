"""The objective: a feature map under a convex loss, compressed and tabulated."""
