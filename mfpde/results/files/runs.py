"""A result file of any command that makes trajectories."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from scipy.io import netcdf_file

from mfpde.results.answers.sgd import SgdResult
from mfpde.results.answers.solve import SolveResult
from mfpde.results.files.netcdf import load
from mfpde.results.files.sgd import FORMAT, load_sgd


def load_run(path: str | Path) -> SolveResult | SgdResult:
    """The result of `mfpde solve` or `mfpde sgd`; raises ResultFileError for anything else."""
    form = b""
    # `load` tells what is wrong with a file that cannot be read
    with suppress(Exception), netcdf_file(path, "r", mmap=False) as file:
        form = bytes(file.format)
    return load_sgd(path)[0] if form.startswith(FORMAT.rpartition(" ")[0].encode()) else load(path)
