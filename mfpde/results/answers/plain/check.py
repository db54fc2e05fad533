"""The result of `check`: an experiment with all its defaults, its coordinates, and what can be asked of it."""

from __future__ import annotations

from dataclasses import dataclass

from mfpde.results.answer import ANSWERS, Whole
from mfpde.results.objects import Part
from mfpde.shell.progress import duration


@dataclass(frozen=True)
class Coordinate(Part):
    """A reduced coordinate.

    Attributes:
        name: as results call it.
        axis: what it ranges over, in words.
        moves: whether the flow moves it.
    """

    name: str
    axis: str
    moves: bool


@dataclass(frozen=True)
class Service(Part):
    """A scheme or a command.

    Attributes:
        name: of it.
        refusals: why it cannot serve the experiment; none where it can.
    """

    name: str
    refusals: tuple[str, ...]


@ANSWERS.register("check")
@dataclass(frozen=True)
class Checked(Whole):
    """An experiment that has been read as a whole, and nothing computed.

    Attributes:
        configuration: TOML text with every key.
        coordinates: of the reduced space.
        risk: what the risk is, in words.
        scheme: the one that `solve` takes.
        chosen: that the program chose it and why, a text each.
        schemes, commands: which serve it.
        use: the users' files in use.
        seconds: that `solve` takes, as foretold; None where that was not asked for.
    """

    configuration: str
    coordinates: tuple[Coordinate, ...]
    risk: str
    scheme: str
    schemes: tuple[Service, ...]
    commands: tuple[Service, ...]
    use: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()
    seconds: float | None = None

    def table(self) -> str:
        """The configuration, then what is derived from it."""
        lines = [self.configuration, f"# risk: {self.risk}", "# coordinates:"]
        for each in self.coordinates:
            lines.append(f"#   {each.name}: {each.axis}{'' if each.moves else ', frozen'}")
        lines += [
            f"# scheme: {self.scheme}",
            *([] if self.seconds is None else [f"#   solve takes about {duration(max(self.seconds, 1.0))}"]),
            *(f"#   {words}" for words in self.chosen),
            "# schemes:",
            *_told(self.schemes),
            "# commands:",
            *_told(self.commands),
        ]
        return "\n".join([*lines, *(f"# use: {place}" for place in self.use)])


def _told(services: tuple[Service, ...]) -> list[str]:
    width = max(len(each.name) for each in services)
    return [f"#   {each.name:<{width}}  {'; '.join(each.refusals) or 'yes'}" for each in services]
