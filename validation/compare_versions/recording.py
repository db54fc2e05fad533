"""What each case says with a version: its commands run, and kept with the files they wrote."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import netcdf_file

from validation.compare_versions.cases.case import FOLDER, Case, Command

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
