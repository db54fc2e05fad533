"""Every file that the program writes, as the answer it holds."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from pathlib import Path
from typing import Any

from mfpde.errors import ResultFileError
from mfpde.keys.reader import one_line
from mfpde.results.answer import ANSWERS, Answer
from mfpde.results.answers.compare import ATTRIBUTE, CompareResult
from mfpde.results.answers.sgd import SgdResult
from mfpde.results.answers.solve import SolveResult
from mfpde.results.files.netcdf_file import form_of, same_kind

SWEEP = "bounds.json"
"""The file of the folder of a sweep that holds its result."""
DAMAGE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
"""What reading raises where a file is not what it says."""


def load(path: str | Path) -> Answer:
    """The answer in a file that a command wrote with -o, or in the folder of a sweep of `bounds`.

    Raises:
        ResultFileError: it is none, or damaged.
    """
    place = Path(path)
    if (place / SWEEP).is_file():
        place = place / SWEEP
    if not _head(place).lstrip().startswith(b"{"):
        run = load_run(path)
        if isinstance(run, SgdResult) and ATTRIBUTE in run.attributes:
            return CompareResult.of_file(run, place)
        return run
    try:
        content = read_object(place)
    except (OSError, ValueError, RecursionError) as error:
        raise ResultFileError(f"{path}: no whole JSON object ({one_line(str(error))}); {REMEDY}") from None
    kind = _kind(content)
    if kind is None:
        raise ResultFileError(f"{path}: a JSON object, but not a result of this program; {REMEDY}")
    try:
        return kind.from_json(content)
    except DAMAGE as error:
        raise ResultFileError(f"{path}: a damaged result file ({one_line(repr(error))}); {REMEDY}") from None


REMEDY = "write a file that -o of a command made"


def load_run(path: str | Path) -> SolveResult | SgdResult:
    """The result of `mfpde solve` or `mfpde sgd`; raises ResultFileError for anything else."""
    kind = SgdResult if same_kind(form_of(Path(path)), SgdResult.LAYOUT.form) else SolveResult
    return kind.read(path)[0]


def read_object(path: Path) -> Any:
    """Strict JSON; raises OSError, ValueError or RecursionError."""
    return json.loads(path.read_text("utf-8"), parse_constant=_no_number, parse_float=_finite, parse_int=_whole)


def _kind(content: Any) -> type[Answer] | None:
    """What a JSON object is: as it says, or as its keys say where an earlier version wrote it."""
    if not isinstance(content, dict):
        return None
    word = str(content.get("format", "")).removeprefix("mfpde ").rpartition(" ")[0]
    if word in ANSWERS:
        return ANSWERS[word]
    return next((ANSWERS[name] for name in ANSWERS.names() if ANSWERS[name].recognises(content)), None)


def _head(path: Path) -> bytes:
    with suppress(OSError), path.open("rb") as stream:
        return stream.read(64)
    return b""


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_number(text)


def _whole(text: str) -> int:
    _finite(text)
    return int(text)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")
