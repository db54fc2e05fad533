"""The command `mfpde presets`."""

from __future__ import annotations

import argparse

from mfpde.commands.checks import refuse
from mfpde.commands.driver import EXIT_DONE

HELP = "list the built-in experiments, or print one as TOML"
LESS = "fewer --use"
PLACE = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which one."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="the preset to print")


def run(options: argparse.Namespace) -> int:
    """List the presets, or print one."""
    from mfpde import presets
    from mfpde.keys.reader import nearest

    if options.name is None:
        width = max(len(name) for name in presets.names())
        for name in presets.names():
            print(f"{name:<{width}}  {presets.title(name)}")
        return EXIT_DONE
    if options.name not in presets.names():
        hint = nearest(options.name, presets.names())
        refuse(f"{options.name}: no such preset; did you mean {hint}? `mfpde presets` lists them")
    print(presets.text(options.name), end="")
    return EXIT_DONE
