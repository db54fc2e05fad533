"""Every file that the program writes, as the answer it holds."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from mfpde.errors import ResultFileError
from mfpde.keys.reader import one_line
from mfpde.results.answer import ANSWERS, Answer
from mfpde.results.answers.compare import ATTRIBUTE, CompareResult
from mfpde.results.answers.sgd import SgdResult
from mfpde.results.answers.solve import SolveResult
from mfpde.results.files.netcdf_file import DAMAGE, form_of, same_kind
from mfpde.shell.checksum import KEY, tell_earlier
from mfpde.shell.files import read_json

SWEEP, GENERALISATION = "bounds.json", "generalisation.json"
"""The files of folders of sweeps that hold their results."""


def load(path: str | Path) -> Answer:
    """The answer in a file that a command wrote with -o, or in the folder of a sweep.

    Warns with EarlierFileWarning of a file without a checksum over everything in it.

    Raises:
        ResultFileError: it is none, or damaged.
    """
    place = Path(path)
    place = next((place / name for name in (SWEEP, GENERALISATION) if (place / name).is_file()), place)
    if not _head(place).lstrip().startswith(b"{"):
        run = load_run(path)
        if isinstance(run, SgdResult) and ATTRIBUTE in run.attributes:
            return CompareResult.of_file(run, place)
        return run
    try:
        content = read_json(place)
    except (OSError, ValueError, RecursionError) as error:
        raise ResultFileError(f"{path}: no whole JSON object ({one_line(str(error))}); {REMEDY}") from None
    kind = _kind(content)
    if kind is None:
        raise ResultFileError(f"{path}: a JSON object, but not a result of this program; {REMEDY}")
    try:
        answer = kind.from_json(content)
    except DAMAGE as error:
        raise ResultFileError(f"{path}: a damaged result file ({one_line(repr(error))}); {REMEDY}") from None
    if KEY not in content:
        tell_earlier(place)
    return answer


REMEDY = "write a file that -o of a command made"


def load_run(path: str | Path) -> SolveResult | SgdResult:
    """The result of `mfpde solve` or `mfpde sgd`; raises ResultFileError for anything else."""
    kind = SgdResult if same_kind(form_of(Path(path)), SgdResult.LAYOUT.form) else SolveResult
    return kind.read(path)[0]


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
