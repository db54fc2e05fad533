"""The options that commands share, each with its line of help; what a command does not take has the value in ABSENT."""

from __future__ import annotations

import argparse
from typing import Any

ABSENT: dict[str, Any] = {
    **dict.fromkeys(("source", "output", "plot", "threads", "scheme", "until", "radius", "workers", "scheduler")),
    **dict.fromkeys(("json", "quiet", "resume", "force", "verbose"), False),
    "overrides": [],
    # what the scheme needs less of where memory runs out
    "less": "",
}


def add_source(parser: argparse.ArgumentParser, optional: bool = False) -> None:
    """SOURCE and what changes it, then how the answer is told."""
    parser.add_argument(
        "source", nargs="?" if optional else None, metavar="SOURCE", help="a TOML file or the name of a preset"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="K=V", dest="overrides", help="override one key (repeatable)"
    )
    parser.add_argument("--scheme", metavar="S", help="short for --set solver.scheme=S")
    parser.add_argument("--threads", metavar="N", help="number of threads (default: every core)")
    add_json(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress, no table")


def add_use(parser: argparse.ArgumentParser) -> None:
    """Files of one's own, which every command takes."""
    parser.add_argument(
        "--use", action="append", default=[], metavar="FILE.py", help="a file of your own laws, activations, ..."
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """The answer as JSON."""
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def add_output(
    parser: argparse.ArgumentParser,
    place: str,
    text: str,
    resume: str | None = "continue the file of -o",
    force: str = "replace what exists: the file of -o, the figures of --plot",
) -> None:
    """Where the answer goes; `resume` is None where nothing can be continued."""
    parser.add_argument("-o", "--output", metavar=place, help=text)
    if resume is not None:
        parser.add_argument("--resume", action="store_true", help=resume)
    parser.add_argument("--force", action="store_true", help=force)


def add_plot(parser: argparse.ArgumentParser, figures: str = "figures") -> None:
    """The folder of the figures."""
    parser.add_argument("--plot", metavar="DIR", help=f"write the {figures} to this folder")


def add_radius(parser: argparse.ArgumentParser, text: str) -> None:
    """The box."""
    parser.add_argument("--radius", metavar="R", help=text)


def add_scheduler(
    parser: argparse.ArgumentParser, tasks: str, workers: str = "processes of one thread each (default: one per core)"
) -> None:
    """Processes of this machine, or a cluster."""
    parser.add_argument("--workers", metavar="W", help=workers)
    parser.add_argument("--scheduler", metavar="ADDRESS", help=f"a dask scheduler whose workers take the {tasks}")
