"""Write a page about a run, a sweep or a study: one HTML file that needs nothing else."""

from __future__ import annotations

from pathlib import Path

from fastrun.system.argument_parser import ArgumentParser


def run(arguments: list[str]) -> int:
    """Write the page, print its path and, with ``--open``, show it in the browser."""
    parser = ArgumentParser("fastrun report", __doc__)
    parser.add_argument("what", metavar="RUN | SWEEP | STUDY", help="a folder, latest, best or a short id")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the file (default: report.html in that folder)")
    parser.add_argument("--no-eval", action="store_true", help="do not measure a run's best checkpoint by class")
    parser.add_argument("--open", action="store_true", help="show the page in the browser")
    given = parser.parse_args(arguments)
    from fastrun.report.find_run import find_run
    from fastrun.report.page.write import write_page

    path = write_page(find_run(given.what, takes_sweeps=True), given.out, measures=not given.no_eval)
    print(path)
    if given.open:
        _open(path)
    return 0


def _open(path: Path) -> None:
    import webbrowser

    if not webbrowser.open(path.resolve().as_uri()):
        print("no browser was found; open the file by hand")
