"""One bench, in a process of its own: what it prints, and its ratios in a file, a line of JSON each."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
import tempfile
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic

from validation.bench.benches import load_all
from validation.bench.interface import BENCHES, Ratio, Setting
from validation.bench.peers import Peers


@dataclass(frozen=True)
class Outcome:
    """What became of a bench.

    Attributes:
        name: of it.
        about: what it says of itself.
        ratios: in their order.
        printed: what it printed besides.
        failure: the last line of its traceback; empty where it ended well.
        seconds: it took.
    """

    name: str
    about: str
    ratios: tuple[Ratio, ...]
    printed: str
    failure: str
    seconds: float


def run(name: str, setting: Setting) -> Outcome:
    """Run a bench in a process of its own on one thread of BLAS; what it prints is shown as it comes."""
    started = monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "ratios"
        peers = setting.peers
        options = [str(found), name, str(int(setting.quick)), str(peers.folder), str(int(peers.install))]
        command = [sys.executable, "-m", __name__, *options]
        threads = {"OPENBLAS_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
        lines = []
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | threads) as process:
            assert process.stdout is not None
            for line in process.stdout:
                print(line, end="", flush=True)
                lines.append(line)
        kept = found.read_text(encoding="utf-8").splitlines() if found.exists() else []
    ratios = tuple(Ratio(**json.loads(line)) for line in kept if line.startswith("{"))
    failure = next((line for line in kept if not line.startswith("{")), "")
    if process.returncode and not failure:
        failure = f"its process ended with code {process.returncode}"
    return Outcome(name, _about(name), ratios, "".join(lines), failure, monotonic() - started)


def _about(name: str) -> str:
    """The first lines of what a bench says of itself and of its module."""
    ratios = BENCHES[name].ratios
    module = inspect.getmodule(ratios)
    said = [inspect.getdoc(ratios), inspect.getdoc(module) if module is not None else None]
    return " ".join(words.split("\n\n")[0].replace("\n", " ") for words in said if words)


def main(found: str, name: str, quick: str, peers: str, install: str) -> int:
    """The child: writes the ratios as they come, and the last line of a traceback."""
    load_all()
    setting = Setting(bool(int(quick)), Peers(Path(peers), bool(int(install))))
    with open(found, "w", encoding="utf-8") as stream:
        try:
            for ratio in BENCHES[name].ratios(setting):
                print(json.dumps(asdict(ratio)), file=stream, flush=True)
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            print(f"{type(error).__name__}: {error}".splitlines()[0], file=stream, flush=True)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
