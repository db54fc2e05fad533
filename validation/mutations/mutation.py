"""A mistake made on purpose, and the tests that must notice it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mutation:
    """A change of one place of one file.

    Attributes:
        file: path from the root of the checkout.
        breaks: what is wrong then, in a phrase.
        old, new: the place, which occurs once in the file, and what it becomes.
        tests: files, folders or tests (FILE::NAME) of which a quick one must fail.
        explained: why nothing can notice it, where that is so.
    """

    file: str
    breaks: str
    old: str
    new: str
    tests: tuple[str, ...]
    explained: str = ""

    def made(self, root: Path) -> str:
        """The text of the file with the mistake; raises ValueError where the place does not occur exactly once."""
        path = root / self.file
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if self.old == self.new or text.count(self.old) != 1:
            problem = f"{self.file}: {self.old!r} occurs {text.count(self.old)} times, or stays as it is"
            raise ValueError(f"{problem}; write a place that occurs once")
        return text.replace(self.old, self.new)


def mutations(file: str, tests: str, *changes: tuple[str, ...]) -> tuple[Mutation, ...]:
    """Mutations of one file under the same tests (separated by blanks): (breaks, old, new), or with `explained`."""
    return tuple(
        Mutation(file, breaks, old, new, tuple(tests.split()), *explained) for breaks, old, new, *explained in changes
    )
