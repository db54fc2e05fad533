"""The command `mfpde plot`."""

from __future__ import annotations

import argparse
from pathlib import Path

from mfpde.commands.common import EXIT_DONE, Checks


def run(options: argparse.Namespace) -> int:
    """Draw a result file."""
    from mfpde.errors import ResultFileError
    from mfpde.results.figures.plot import SUFFIXES, plot
    from mfpde.results.files.netcdf import load
    from mfpde.results.files.output import probe

    checks = Checks()
    result = checks.run(lambda: load(options.run))
    # a run without a name, such as "." or "", has been refused by `load`
    beside = Path(options.run).with_suffix(".png") if Path(options.run).name else None
    path = Path(options.output) if options.output is not None else beside
    if path is not None:
        checks.run(lambda: probe(path, force=options.force, suffixes=SUFFIXES))
    checks.report()
    assert result is not None
    assert path is not None
    if not len(result.time):
        raise ResultFileError(f"{options.run}: holds no save time yet; continue it with `mfpde solve --resume`")
    plot(result, path)
    print(path)
    return EXIT_DONE
