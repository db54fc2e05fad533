"""Features of small isotropic blocks by zonal harmonics of the angle and radial functions."""
