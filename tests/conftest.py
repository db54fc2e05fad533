"""Settings of every test: a floating-point exception is an error, and figures need no display."""

from __future__ import annotations

import os

import numpy as np

os.environ.setdefault("MPLBACKEND", "Agg")
np.seterr(all="raise", under="ignore")
