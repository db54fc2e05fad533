"""kernel: the limit in which neurons move little, beside runs at finite output scales."""
