"""The same commands with two versions of mfpde, and whether they say the same.

    python -m validation.compare_versions record --python PYTHON --folder CHECKOUT -o BEFORE
    python -m validation.compare_versions record --python PYTHON --folder OTHER_CHECKOUT -o AFTER
    python -m validation.compare_versions compare BEFORE AFTER
    python -m validation.compare_versions handover BEFORE --python PYTHON --folder OTHER_CHECKOUT -o HANDED

`record` runs every case with `PYTHON -m mfpde` from the folder of a checkout, so that the package of this checkout is
imported, and keeps what each said: exit codes, both outputs, and the files it wrote, read back as numbers. `compare`
tells every difference. `handover` lets the second version read, draw and continue the files that the first one wrote,
and compares that with what the first made of them. `cases` prints the cases. This script imports neither version.

A case is one or more commands in a temporary folder, which their arguments call FOLDER. Commands to `prepare` it write
the files that the others read; in a handover these files come from the first version.
"""

from __future__ import annotations

import argparse
import difflib
import hashlib
import json
import math
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import netcdf_file

from validation.compared_cases import FOLDER, SCHEMES, Case, Command, chosen_cases

CHECKOUT = "CHECKOUT"
"""What stands for the checkout in what is recorded, as FOLDER for the temporary folder of a case."""
ENVIRONMENT = {
    **dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    "MPLBACKEND": "Agg",
    "COLUMNS": "80",
    "LC_ALL": "C.UTF-8",
    "SOURCE_DATE_EPOCH": "0",
}
"""One thread, and nothing of the terminal or the date."""
POLLED, UNDER_WAY, FEW_FILES = 0.01, 0.5, 4
"""Seconds between two looks at what a command has written, seconds and files after which it is under way."""
INTERRUPTED_CODE = 130


# --- recording --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Version:
    """An installation: the interpreter, and the checkout whose package it imports.

    Attributes:
        python: the interpreter.
        checkout: the folder from which the commands run.
        timeout: seconds that one command may take.
    """

    python: str
    checkout: Path
    timeout: float

    @property
    def place(self) -> dict[str, Any]:
        """Where commands run, and in which environment."""
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | ENVIRONMENT
        return {"cwd": self.checkout, "env": environment, "stdin": subprocess.DEVNULL}

    def call(self, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run the interpreter from the checkout; a run that takes too long ends with exit code -1."""
        command = [self.python, *arguments]
        run = partial(subprocess.run, command, capture_output=True, text=True, check=False, **self.place)
        try:
            return run(timeout=self.timeout)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, -1, "", f"no answer after {self.timeout:g} s\n")

    def check(self) -> None:
        """Exit where the package that the interpreter imports is not that of the checkout."""
        done = self.call(["-c", "import mfpde; print(mfpde.__file__)"])
        if self.checkout not in Path(done.stdout.strip()).resolve().parents:
            found = done.stdout.strip() or done.stderr.strip()
            sys.exit(f"{self.python}: does not import the package of {self.checkout}, but {found}")


def record_case(case: Case, version: Version, target: Path, source: Path | None) -> float:
    """Run a case and store what it said; with a `source`, the prepared files are those of that record."""
    started = monotonic()
    folder = Path(tempfile.mkdtemp(prefix="versions-")).resolve()
    try:
        for name, text in case.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        said = []
        if source is None:
            first = interrupt_command if case.interrupted else run_command
            said = [first(command, version, folder) for command in case.prepare]
            keep_files(case, folder, target)
        else:
            shutil.copytree(files_of(case, source), folder, dirs_exist_ok=True)
        for name, how in case.damaged.items():
            damage(folder / name, how)
        said += [run_command(command, version, folder) for command in case.commands]
        write_record(case, said, folder, place_of(case, target))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return monotonic() - started


def place_of(case: Case, target: Path) -> Path:
    """The file of a case in a record."""
    return target / f"{case.name.replace('/', '.')}.json"


def files_of(case: Case, target: Path) -> Path:
    """The folder of a case's prepared files in a record."""
    return target / "files" / case.name.replace("/", ".")


def keep_files(case: Case, folder: Path, target: Path) -> None:
    """Store the prepared files as they are, for a handover."""
    if case.prepare:
        kept = files_of(case, target)
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(folder, kept)


def run_command(command: Command, version: Version, folder: Path) -> dict[str, Any]:
    """Run one command: what it said, and how long it took."""
    started = monotonic()
    arguments = [part.replace(FOLDER, str(folder)) for part in command]
    done = version.call(["-m", "mfpde", *arguments])
    anonymous = partial(without_places, folder=folder, version=version)
    return {
        "argv": list(command),
        "code": done.returncode,
        "stdout": anonymous(done.stdout),
        "stderr": anonymous(done.stderr),
        "seconds": monotonic() - started,
    }


def interrupt_command(command: Command, version: Version, folder: Path) -> dict[str, Any]:
    """Interrupt a command once it writes its output, or has locked it for a while; how far it came is not recorded."""
    started = monotonic()
    arguments = [version.python, "-m", "mfpde", *(part.replace(FOLDER, str(folder)) for part in command)]
    target = Path(arguments[arguments.index("-o") + 1])
    silent = subprocess.DEVNULL
    with subprocess.Popen(arguments, stdout=silent, stderr=silent, **version.place) as process:
        begun = started
        while process.poll() is None and monotonic() - begun < UNDER_WAY:
            sleep(POLLED)
            if target.is_file() or (target.is_dir() and len(list(target.iterdir())) >= FEW_FILES):
                break
            if not target.with_name(f".{target.name}.lock").exists() and monotonic() - started < version.timeout:
                begun = monotonic()
        process.send_signal(signal.SIGINT)
        code = process.wait()
    if code != INTERRUPTED_CODE:
        print(f"not interrupted, but exit code {code}: mfpde {shlex.join(command)}", file=sys.stderr)
    return {"argv": list(command), "code": code, "stdout": "", "stderr": "", "seconds": monotonic() - started}


def without_places(text: str, folder: Path, version: Version) -> str:
    """A text that does not depend on where the folder, the checkout and the interpreter are."""
    places = {str(folder): FOLDER, version.python: "PYTHON", str(version.checkout): CHECKOUT}
    for place, name in places.items():
        text = text.replace(place, name)
    return text


def damage(path: Path, how: str) -> None:
    """Damage a file: "cut" where no revision or timing before moves the place, "flipped" in one byte, or "text"."""
    content = bytearray(path.read_bytes())
    if how == "cut":
        content = content[:-80] if path.suffix == ".nc" else content[:50]
    elif how == "flipped":
        content[-9] ^= 0x10
    else:
        content = bytearray(b"nothing of the kind\n")
    path.write_bytes(content)


def write_record(case: Case, said: list[dict[str, Any]], folder: Path, place: Path) -> None:
    """Store what the commands said and the files they left, floating-point numbers in full."""
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    skipped = {*case.files, *case.damaged}
    files = {name: {"kind": "skipped"} if name in skipped else read_file(folder / name) for name in names}
    record = {"name": case.name, "commands": said, "files": files}
    text = json.dumps(record).replace(str(folder), FOLDER)
    place.write_text(text, encoding="utf-8")


def read_file(path: Path) -> dict[str, Any]:
    """The content of a file in a form that can be compared."""
    content = path.read_bytes()
    if path.suffix == ".nc":
        return read_netcdf(path)
    if path.suffix == ".json":
        return {"kind": "json", "value": json.loads(content)}
    if path.suffix == ".toml":
        return {"kind": "text", "text": content.decode("utf-8")}
    if path.suffix == ".png":
        content = pixels(content)
    elif path.suffix == ".svg":
        # the names of markers and clip paths are drawn at random
        content = re.sub(rb"\b[mp][0-9a-f]{10}\b", b"name", content)
    return {"kind": "figure", "hash": hashlib.sha256(content).hexdigest()}


def read_netcdf(path: Path) -> dict[str, Any]:
    """Attributes and variables of a NetCDF-3 file."""
    with path.open("rb") as stream, netcdf_file(stream, "r", mmap=False) as file:
        variables = {
            name: {
                **array_as_json(np.array(variable.data)),
                "dimensions": list(variable.dimensions),
                "attributes": {key: plain(value) for key, value in variable._attributes.items()},
            }
            for name, variable in file.variables.items()
        }
        attributes = {key: plain(value) for key, value in file._attributes.items()}
    return {"kind": "netcdf", "attributes": attributes, "variables": variables}


def array_as_json(array: NDArray[Any]) -> dict[str, Any]:
    """An array with its type and shape; text as one string."""
    if array.dtype.kind == "S":
        return {"dtype": "text", "shape": list(array.shape), "data": array.tobytes().decode("utf-8")}
    native = array.astype(array.dtype.newbyteorder("="))
    return {"dtype": str(native.dtype), "shape": list(native.shape), "data": native.ravel().tolist()}


def plain(value: Any) -> Any:
    """An attribute as text or numbers."""
    if isinstance(value, bytes):
        return value.decode("utf-8")
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def pixels(content: bytes) -> bytes:
    """The header and image data of a PNG file, without compression and texts."""
    found, start = {b"IHDR": b"", b"IDAT": b""}, 8
    while start + 8 <= len(content):
        length = int.from_bytes(content[start : start + 4], "big")
        kind = content[start + 4 : start + 8]
        if kind in found:
            found[kind] += content[start + 8 : start + 8 + length]
        start += 12 + length
    return found[b"IHDR"] + zlib.decompress(found[b"IDAT"])


def record(cases: Sequence[Case], version: Version, target: Path, jobs: int, source: Path | None = None) -> None:
    """Run cases and store each in a file of the folder `target`; says how long each took."""
    version.check()
    # what starts in the background ignores interruptions, and so would the commands
    signal.signal(signal.SIGINT, signal.default_int_handler)
    target.mkdir(parents=True, exist_ok=True)
    started = monotonic()
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        times = pool.map(lambda case: record_case(case, version, target, source), cases)
        for number, (case, seconds) in enumerate(zip(cases, times, strict=True), 1):
            print(f"{number:4d} of {len(cases)}  {seconds:6.1f} s  {case.name}", flush=True)
    print(f"{len(cases)} cases in {monotonic() - started:.0f} s, kept in {target}")


# --- comparing --------------------------------------------------------------------------------------------------------

VOLATILE = re.compile(r"(\w+_)?seconds|git_revision|version_\w+|checksum")
"""Keys whose values change from run to run, or with the version."""
REPLACED = (
    (re.compile(r"\b[0-9a-f]{40}\b\+?"), "REVISION"),
    (re.compile(r"\bmfpde \d+\.\d+[\w.+]*"), "mfpde VERSION"),
    (re.compile(r"\b\d+(\.\d+)?(e[+-]?\d+)? s\b"), "TIME s"),
    (re.compile(r"\b\d+(\.\d+)?(e[+-]?\d+)? steps/s\b"), "RATE steps/s"),
    (re.compile(rf"^((?:{'|'.join(SCHEMES)}) +\w+ .*?) +\d+\.\d\d$", re.MULTILINE), r"\1 TIME"),
    (re.compile(r"\b0x[0-9a-f]{6,}\b"), "ADDRESS"),
    (re.compile(r"/[^\s'\"]*/site-packages/"), "PACKAGES/"),
)
"""Parts of a text that change from run to run, or with the version, and what stands for them."""


@dataclass
class Difference:
    """What two records of a case have not in common.

    Attributes:
        largest: largest difference of two numbers, relative to the largest number of their array, or to 1.
        where: which array that is.
        bits: whether all numbers are equal to the bit.
        messages: differences of texts, exit codes and files, each some lines.
        seconds: time of the commands in both records.
    """

    largest: float = 0.0
    where: str = ""
    bits: bool = True
    messages: list[str] = field(default_factory=list)
    seconds: tuple[float, float] = (0.0, 0.0)

    def holds(self, tolerance: float) -> bool:
        """Whether nothing differs but numbers, by no more than the tolerance."""
        return not self.messages and self.largest <= tolerance

    def verdict(self, tolerance: float) -> str:
        """The difference in a few words."""
        if self.bits:
            numbers = "equal to the bit"
        else:
            beyond = "" if self.largest <= tolerance else " BEYOND THE TOLERANCE"
            numbers = f"differ by {self.largest:.1e}{beyond} ({self.where})"
        return f"MESSAGES DIFFER, numbers {numbers}" if self.messages else numbers


def compare_records(before: dict[str, Any], after: dict[str, Any]) -> Difference:
    """Everything in which two records of a case differ."""
    found = Difference(seconds=(total_seconds(before), total_seconds(after)))
    if len(before["commands"]) != len(after["commands"]):
        found.messages.append("the case has other commands: record it again")
    for first, second in zip(before["commands"], after["commands"], strict=False):
        compare_commands(first, second, found)
    compare_values("", before["files"], after["files"], found)
    return found


def total_seconds(recorded: dict[str, Any]) -> float:
    """Time of the commands of a case."""
    return float(sum(command["seconds"] for command in recorded["commands"]))


def compare_commands(before: dict[str, Any], after: dict[str, Any], found: Difference) -> None:
    """Arguments, exit codes and both outputs of a command."""
    line = f"mfpde {shlex.join(before['argv'])}"
    if before["argv"] != after["argv"]:
        found.messages.append(f"{line}\nwas recorded with other arguments: record it again")
    if before["code"] != after["code"]:
        found.messages.append(f"{line}\nexit code {before['code']} before, {after['code']} after")
    objects = json_object(before["stdout"]), json_object(after["stdout"])
    both = objects[0] is not None and objects[1] is not None
    if both:
        compare_values("stdout", *objects, found)
    for stream in ("stderr",) if both else ("stdout", "stderr"):
        compare_texts(f"{line}\n{stream}", before[stream], after[stream], found)


def json_object(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is, if it is one."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def normalised(text: str) -> str:
    """A text without timings, revisions, versions and addresses."""
    for pattern, name in REPLACED:
        text = pattern.sub(name, text)
    return text


def compare_texts(where: str, before: str, after: str, found: Difference) -> None:
    """A unified difference of two texts, if they say different things."""
    first, second = (normalised(text).splitlines() for text in (before, after))
    if first != second:
        lines = difflib.unified_diff(first, second, "before", "after", lineterm="", n=1)
        found.messages.append("\n".join([where, *lines]))


def compare_values(where: str, before: Any, after: Any, found: Difference) -> None:
    """Two JSON values, part by part."""
    first, second = array_of(before), array_of(after)
    if first is not None and second is not None:
        compare_arrays(where, first, second, found)
    elif isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys((*before, *after)):
            if not VOLATILE.fullmatch(key):
                compare_parts(f"{where} {key}".strip(), before, after, key, found)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            compare_values(f"{where}[{index}]", one, other, found)
    elif isinstance(before, str) and isinstance(after, str):
        compare_texts(where, before, after, found)
    elif before != after:
        found.messages.append(f"{where}: {brief(before)} before, {brief(after)} after")


def compare_parts(where: str, before: dict[str, Any], after: dict[str, Any], key: str, found: Difference) -> None:
    """The values of a key, which may be missing in one of two objects."""
    if key in before and key in after:
        compare_values(where, before[key], after[key], found)
    else:
        found.messages.append(f"{where}: only {'before' if key in before else 'after'}")


def brief(value: Any) -> str:
    """The beginning of a value."""
    text = json.dumps(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def array_of(value: Any) -> NDArray[Any] | None:
    """The array of numbers that a JSON value is, if it is one; None in a list stands for NaN."""
    if isinstance(value, dict) and {"dtype", "shape", "data"} <= value.keys() and value["dtype"] != "text":
        return np.array(value["data"], dtype=value["dtype"]).reshape(value["shape"])
    if isinstance(value, int | float) and not isinstance(value, bool):
        return np.array(value)
    if isinstance(value, list) and value and all_numbers(value):
        try:
            return np.array(value, dtype=float)
        except ValueError:
            return None
    return None


def all_numbers(values: list[Any]) -> bool:
    """Whether a nested list holds numbers and None only."""
    return all(
        all_numbers(value) if isinstance(value, list) else value is None or type(value) in (int, float)
        for value in values
    )


def compare_arrays(where: str, before: NDArray[Any], after: NDArray[Any], found: Difference) -> None:
    """Two arrays of numbers: type, shape, bits, and the largest relative difference."""
    if before.shape != after.shape:
        found.messages.append(f"{where}: shape {before.shape} before, {after.shape} after")
        return
    if before.dtype != after.dtype:
        found.messages.append(f"{where}: {before.dtype} before, {after.dtype} after")
    if before.dtype == after.dtype and before.tobytes() == after.tobytes():
        return
    found.bits = False
    apart = relative_difference(before.astype(float), after.astype(float))
    if apart > found.largest or not found.where:
        found.largest, found.where = max(apart, found.largest), where


def relative_difference(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Largest difference over the largest number, or over 1 where that is larger; infinite if NaN or inf moved."""
    finite = np.isfinite(before)
    same = np.array_equal(before[~finite], after[~finite], equal_nan=True)
    if not (same and np.all(np.isfinite(after[finite]))):
        return math.inf
    if not np.any(finite):
        return 0.0
    scale = max(1.0, float(np.max(np.abs(before[finite]))), float(np.max(np.abs(after[finite]))))
    return float(np.max(np.abs(before[finite] - after[finite]))) / scale


def compare(before: Path, after: Path, names: Sequence[str], tolerance: float, allow: str | None) -> int:
    """Print the table and every difference; 1 if anything differs that is not allowed."""
    found: dict[str, Difference] = {}
    failed = []
    for name in names:
        difference = compare_files(before / name, after / name)
        case = name.removesuffix(".json").replace(".", "/")
        found[case] = difference
        allowed = allow is not None and re.search(allow, case) is not None
        word = "" if difference.holds(tolerance) else " (allowed)" if allowed else " (FAILS)"
        if word == " (FAILS)":
            failed.append(case)
        seconds = "{:7.1f} {:7.1f} s".format(*difference.seconds)
        print(f"{case:<48} {seconds}  {difference.verdict(tolerance)}{word}")
    show_messages(found)
    show_summary(found, failed)
    return 1 if failed else 0


def compare_files(before: Path, after: Path) -> Difference:
    """The difference of two stored cases, one of which may be missing."""
    for path, word in ((before, "before"), (after, "after")):
        if not path.is_file():
            return Difference(messages=[f"not recorded {word}"])
    return compare_records(*(json.loads(path.read_text(encoding="utf-8")) for path in (before, after)))


def show_messages(found: Mapping[str, Difference]) -> None:
    """Print what is not a number and differs, case by case."""
    for case, difference in found.items():
        if difference.messages:
            print(f"\n=== {case}")
            print("\n".join(difference.messages))


def show_summary(found: Mapping[str, Difference], failed: Sequence[str]) -> None:
    """Print counts, the largest difference and both times."""
    exact = sum(difference.bits and not difference.messages for difference in found.values())
    largest = max((difference.largest for difference in found.values()), default=0.0)
    times = [sum(difference.seconds[side] for difference in found.values()) for side in (0, 1)]
    print(f"\n{len(found)} cases: {exact} equal to the bit, {len(failed)} fail; largest difference {largest:.1e}")
    print(f"commands took {times[0]:.0f} s before, {times[1]:.0f} s after")
    if failed:
        print("fail: " + ", ".join(failed))


# --- the command line -------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Record, compare, hand over or list; 0 if nothing differs, 1 if something does."""
    options = parser().parse_args(arguments)
    cases = chosen_cases(options.only)
    if not cases:
        sys.exit(f"--only {options.only}: no case has such a name; `cases` prints them")
    if options.action == "cases":
        for case in cases:
            print(case.name, *(f"\n    mfpde {shlex.join(command)}" for command in (*case.prepare, *case.commands)))
        return 0
    if options.action == "compare":
        names = recorded_names(cases, options.before, options.after)
        return compare(options.before, options.after, names, options.tolerance, options.allow)
    version = Version(options.python, options.folder.resolve(), options.timeout)
    if options.action == "record":
        record(cases, version, options.output, options.jobs)
        return 0
    handed = [case for case in cases if case.prepare and files_of(case, options.before).is_dir()]
    record(handed, version, options.output, options.jobs, options.before)
    return compare_handed(handed, options)


def recorded_names(cases: Sequence[Case], before: Path, after: Path) -> list[str]:
    """The names of the files of cases that at least one record has."""
    names = [place_of(case, Path()).name for case in cases]
    found = [name for name in names if (before / name).is_file() or (after / name).is_file()]
    return found or sys.exit(f"{before}, {after}: hold no record of these cases")


def compare_handed(cases: Sequence[Case], options: argparse.Namespace) -> int:
    """Compare what the second version made of the files with what the first made of them."""
    whole = options.output / "before"
    whole.mkdir(exist_ok=True)
    for case in cases:
        stored = json.loads(place_of(case, options.before).read_text(encoding="utf-8"))
        stored["commands"] = stored["commands"][len(case.prepare) :]
        place_of(case, whole).write_text(json.dumps(stored), encoding="utf-8")
    names = [place_of(case, Path()).name for case in cases]
    return compare(whole, options.output, names, options.tolerance, options.allow)


def parser() -> argparse.ArgumentParser:
    """The options of the four actions."""
    top = argparse.ArgumentParser(
        prog="python -m validation.compare_versions", description="Two versions, side by side."
    )
    actions = top.add_subparsers(dest="action", required=True)
    record_it = actions.add_parser("record", help="run every case with one version and keep what it said")
    compare_them = actions.add_parser("compare", help="tell every difference of two records")
    hand_over = actions.add_parser("handover", help="let a second version read and continue the files of a record")
    list_them = actions.add_parser("cases", help="print the cases")
    for action in (compare_them, hand_over):
        action.add_argument("before", type=Path, metavar="BEFORE", help="the record of the first version")
        action.add_argument("--tolerance", type=float, default=1e-12, help="largest relative difference of numbers")
        action.add_argument("--allow", metavar="REGEX", help="cases that may differ, for example ^help/")
    compare_them.add_argument("after", type=Path, metavar="AFTER", help="the record of the second version")
    for action in (record_it, hand_over):
        add_version(action)
    for action in (record_it, compare_them, hand_over, list_them):
        action.add_argument("--only", metavar="REGEX", default="", help="cases whose name matches, as in re.search")
    return top


def add_version(action: argparse.ArgumentParser) -> None:
    """The options that say what runs, and where the record goes."""
    action.add_argument("--python", required=True, help="an interpreter that has what mfpde needs")
    action.add_argument("--folder", required=True, type=Path, metavar="CHECKOUT", help="the checkout to import from")
    action.add_argument("-o", "--output", required=True, type=Path, metavar="DIR", help="where the record goes")
    action.add_argument("--jobs", type=int, default=1, help="cases that run at the same time (default 1)")
    action.add_argument("--timeout", type=float, default=600.0, metavar="SECONDS", help="longest time of a command")


if __name__ == "__main__":
    sys.exit(main())
