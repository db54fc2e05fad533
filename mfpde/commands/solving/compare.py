"""The command `mfpde compare`."""

from __future__ import annotations

import argparse

from mfpde.commands.common import (
    EXIT_CODES,
    Checks,
    check_plots,
    check_workers,
    configuration_of,
    draw,
    path_of,
    print_json,
    use_threads,
)
from mfpde.shell.process import complain


def run(options: argparse.Namespace) -> int:
    """The equation beside SGD: table, JSON, figures."""
    from mfpde.results.files.output import make_folder
    from mfpde.shell.progress import ProgressBar

    checks = Checks()
    if options.threads is not None:
        checks.run(lambda: use_threads(options.threads))
    workers = check_workers(options, checks)
    configuration = checks.run(lambda: configuration_of(options))
    folder = check_plots(options, checks)
    output = path_of(options.output)
    from mfpde.studies.run.outputs import check_output
    from mfpde.studies.sgd.replicas import refuse

    if configuration is not None:
        checks.run(lambda: refuse(configuration))
    checks.run(lambda: check_output(output, resume=options.resume, force=options.force))
    checks.report()
    assert configuration is not None
    if folder is not None:
        make_folder(folder)
    from mfpde.studies.compare.compare import compare

    bar = ProgressBar(options.quiet)
    try:
        result = compare(
            configuration,
            output,
            resume=options.resume,
            force=options.force,
            workers=workers,
            coupled=not options.no_coupled,
            progress=bar,
        )
    finally:
        bar.close()
    if options.json:
        print_json(result.to_json())
    elif not options.quiet and result.status == "success":
        print(result.table())
    if folder is not None and result.status == "success":
        from mfpde.results.figures.compare import save_comparison

        draw(lambda: save_comparison(result, folder), options)
    for part in (result.pde, result.sgd):
        if "message" in part.attributes:
            complain(str(part.attributes["message"]))
    return EXIT_CODES[result.status]
