"""All benches, one table of ratios and one page: `python -m validation.bench [--quick] [--only PATTERN]`."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from mfpde.errors import OutputError
from mfpde.shell.files import make_folder, write_text
from validation.bench.benches import load_all
from validation.bench.interface import BENCHES, Setting
from validation.bench.peers import Peers
from validation.bench.running import Outcome, run
from validation.bench.table import HEAD, bench_page, line, summary

DEFAULT_OUTPUT = Path("out") / "bench"
PAGE, PEERS = "bench.html", "peers"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the selected benches; 0 if all end, whatever their ratios, 1 if one does not, 2 if nothing could be run."""
    load_all()
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        chosen = [name for name in sorted(BENCHES) if re.search(options.only, name)]
    except re.error as error:
        parser.error(f"--only {options.only}: not a regular expression ({error}); write for example --only sgd")
    if not chosen:
        parser.error(f"nothing matches --only {options.only}; the benches are {', '.join(sorted(BENCHES))}")
    setting = Setting(options.quick, Peers(options.peers or options.output / PEERS, not options.quick))
    outcomes: list[Outcome] = []
    page = options.output / PAGE
    try:
        make_folder(options.output)
        for name in chosen:
            print(f"# {name}: {len(outcomes) + 1} of {len(chosen)}", file=sys.stderr)
            outcomes.append(run(name, setting))
            write_text(page, bench_page(outcomes))
    except OutputError as error:
        print(f"validation.bench: {error}", file=sys.stderr)
        return 2
    print(HEAD)
    for outcome in outcomes:
        print("\n".join(line(outcome.name, ratio) for ratio in outcome.ratios))
    print(f"{summary(outcomes)}\npage: {page}")
    return 1 if any(outcome.failure for outcome in outcomes) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m validation.bench", description="Ratios measured side by side.")
    parser.add_argument("--quick", action="store_true", help="small sizes, no package installed to compare with")
    parser.add_argument("--only", metavar="PATTERN", default="", help="benches whose name matches, as in re.search")
    parser.add_argument("--output", metavar="FOLDER", type=Path, default=DEFAULT_OUTPUT, help="of the page")
    parser.add_argument("--peers", metavar="FOLDER", type=Path, help="environments of other packages, kept")
    return parser


if __name__ == "__main__":
    sys.exit(main())
