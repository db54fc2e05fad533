"""Whether the quick tests notice mistakes made on purpose: `python -m validation.mutants [--only PATTERN] [--jobs N]`.

Every mutation of `validation.mutations` is made in a copy of the checkout and the tests named with it are run: one that
fails kills the mutant. Score and survivors are printed; survivors that are not explained end in exit code 1, a list
that is wrong (a place that is gone, tests that fail by themselves or are not there) in 2.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from validation.mutations import load_all
from validation.mutations.mutation import Mutation

ROOT = Path(__file__).resolve().parent.parent
FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", flags=re.MULTILINE)
"""Tests in pytest's summary."""
PYTEST = ("-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-m", "quick")
LONGEST = 300.0
"""Seconds after which the tests of a mutant are stopped: it counts as killed."""
LATER = 10_000_000_000
"""Nanoseconds by which a mutant is younger than its original, for which no compiled code may stand."""
KILLED, SURVIVED, EXPLAINED, WRONG = "killed", "SURVIVED", "explained", "WRONG"


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant.

    Attributes:
        mutation: the mistake.
        verdict: one of the four above.
        words: the test that failed, the explanation, or what is wrong with the list.
        seconds: of the tests.
    """

    mutation: Mutation
    verdict: str
    words: str
    seconds: float

    def __str__(self) -> str:
        mutation = self.mutation
        return f"{self.verdict:9} {self.seconds:5.1f} s  {mutation.file}: {mutation.breaks}  [{self.words}]"


class Tree:
    """A copy of a checkout in which mistakes are made, one at a time.

    Compiled kernels are cached by the program itself, in a folder named by the modules that are compiled into others,
    with a stamp of the module that each is defined in. Each mutant has a copy of the folders by hard links: files of a
    cache are replaced, never written to.

    Args:
        source: the checkout.
        place: an empty folder.
    """

    def __init__(self, source: Path, place: Path) -> None:
        self.root, self._place = place / "tree", place
        self._cache = place / "cache"
        self._left_out: list[str] = []
        self._cache.mkdir()
        for path in tracked(source):
            target = self.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / path, target, follow_symlinks=False)

    def faults(self, tests: Sequence[str]) -> str:
        """Why these tests, without a mistake, do not all pass; empty where they do. Fills the caches.

        Those that fail by themselves are left out from then on.
        """
        code, text, _ = self._run(tests, self._cache, {}, 10.0 * LONGEST, "--maxfail=100")
        for found in FAILED.findall(text) if code == 1 else ():
            self._left_out += ["--deselect", found.partition("[")[0]]
        return "" if code == 0 else f"tests fail without any mistake (exit code {code})\n{text}"

    def outcome(self, mutation: Mutation) -> Outcome:
        """Whether the tests of a mutation notice it."""
        with self._mutated(mutation) as cache:
            code, text, seconds = self._run(mutation.tests, cache, {"PYTHONDONTWRITEBYTECODE": "1"}, LONGEST)
        if code is None:
            return Outcome(mutation, KILLED, f"no end in {LONGEST:g} s", seconds)
        if code == 1:
            return Outcome(mutation, KILLED, next(iter(FAILED.findall(text)), "a test"), seconds)
        if code != 0:
            return Outcome(mutation, WRONG, f"pytest ends with {code}: {text[-2000:]}", seconds)
        if mutation.explained:
            return Outcome(mutation, EXPLAINED, mutation.explained, seconds)
        return Outcome(mutation, SURVIVED, " ".join(mutation.tests), seconds)

    @contextmanager
    def _mutated(self, mutation: Mutation) -> Iterator[Path]:
        """The mistake made, and the folder of caches to use meanwhile."""
        path, cache = self.root / mutation.file, self._place / "mutant-cache"
        text, before = path.read_bytes(), path.stat()
        shutil.copytree(self._cache, cache, copy_function=os.link)
        try:
            path.write_text(mutation.made(self.root), encoding="utf-8")
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + LATER))
            yield cache
        finally:
            path.write_bytes(text)
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
            shutil.rmtree(cache)

    def _run(
        self, tests: Sequence[str], cache: Path, settings: dict[str, str], longest: float, most: str = "-x"
    ) -> tuple[int | None, str, float]:
        """Exit code of pytest (None where it was stopped), its output, and seconds."""
        environment = {**os.environ, "XDG_CACHE_HOME": str(cache), **settings}
        environment.pop("NUMBA_CACHE_DIR", None)
        started = monotonic()
        with subprocess.Popen(
            [sys.executable, *PYTEST, most, *self._left_out, *tests],
            cwd=self.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                text, _ = process.communicate(timeout=longest)
                return process.returncode, text, monotonic() - started
            except subprocess.TimeoutExpired:
                return None, "", monotonic() - started
            finally:
                if process.returncode is None:
                    os.killpg(process.pid, signal.SIGKILL)


def tracked(source: Path) -> list[str]:
    """The files of a checkout, those that are not ignored."""
    command = ["git", "-C", str(source), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [path for path in listed.split("\0") if path and os.path.lexists(source / path)]


def shares(chosen: Sequence[Mutation], jobs: int) -> list[list[Mutation]]:
    """The mutations dealt to jobs, those of a file together."""
    by_file: dict[str, list[Mutation]] = {}
    for mutation in chosen:
        by_file.setdefault(mutation.file, []).append(mutation)
    dealt: list[list[Mutation]] = [[] for _ in range(min(jobs, len(by_file)))]
    for group in sorted(by_file.values(), key=len, reverse=True):
        min(dealt, key=len).extend(group)
    return dealt


def tried(share: Sequence[Mutation], source: Path) -> list[Outcome]:
    """What becomes of the mutants of one job; each outcome is printed as it comes."""
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as place:
        tree = Tree(source, Path(place))
        faults = tree.faults(sorted({test for mutation in share for test in mutation.tests}))
        if faults:
            print(faults, file=sys.stderr, flush=True)
            outcomes.append(Outcome(share[0], WRONG, faults.partition("\n")[0], 0.0))
        for mutation in share:
            outcomes.append(tree.outcome(mutation))
            print(outcomes[-1], flush=True)
    return outcomes


def summary(outcomes: Sequence[Outcome], seconds: float) -> str:
    """The score, and the mutants that are not killed."""
    count = {verdict: sum(each.verdict == verdict for each in outcomes) for verdict in (KILLED, EXPLAINED)}
    others = [str(each) for each in outcomes if each.verdict != KILLED]
    score = f"killed {count[KILLED]} of {len(outcomes)}, explained {count[EXPLAINED]}, in {seconds / 60.0:.1f} minutes"
    return "\n".join([*others, score])


def main(arguments: Sequence[str] | None = None, source: Path = ROOT, known: Sequence[Mutation] = ()) -> int:
    """Try the mutants whose file or words match; 0 if all are killed or explained, 1 if not, 2 if the list is wrong."""
    parser = argparse.ArgumentParser(prog="python -m validation.mutants", description="Mistakes that tests must see.")
    parser.add_argument("--only", metavar="PATTERN", default="", help="mutants whose file or words match, as re.search")
    parser.add_argument("--jobs", metavar="N", type=int, default=2, help="at once, each in a copy of its own")
    options = parser.parse_args(arguments)
    chosen = [
        mutation for mutation in known or load_all() if re.search(options.only, f"{mutation.file}: {mutation.breaks}")
    ]
    if not chosen:
        parser.error(f"nothing matches --only {options.only}")
    try:
        for mutation in chosen:
            mutation.made(source)
    except ValueError as error:
        parser.error(str(error))
    started = monotonic()
    with ThreadPoolExecutor(max(1, options.jobs)) as pool:
        done = list(pool.map(tried, dealt := shares(chosen, max(1, options.jobs)), [source] * len(dealt)))
    outcomes = [outcome for share in done for outcome in share]
    print(summary(outcomes, monotonic() - started))
    verdicts = {outcome.verdict for outcome in outcomes}
    return 2 if WRONG in verdicts else 1 if SURVIVED in verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
