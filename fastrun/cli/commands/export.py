"""Export the network of a run for other programs: ONNX, torch.export, or safetensors, with a model card."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from fastrun.errors import UsageError
from fastrun.report.find_run import check_is_run, find_run
from fastrun.storage.checkpoint.select import select
from fastrun.storage.run_dir import RunDir
from fastrun.system.argument_parser import ArgumentParser
from fastrun.training.trained.export.files import check_new, write_files
from fastrun.training.trained.export.formats import CARD, DESCRIPTION, FORMATS, Format


def run(arguments: list[str]) -> int:
    """Write the files of an export, and say what they are and how well they agree with the network."""
    parser = ArgumentParser("fastrun export", __doc__)
    parser.add_argument("run", metavar="RUN", help="a run: its directory, `latest`, `best`, an id …")
    parser.add_argument("--to", required=True, choices=tuple(FORMATS), help="the format")
    parser.add_argument("--ckpt", default="best", metavar="CKPT", help="best, last or a path (default: best)")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: RUN/export-FORMAT")
    given = parser.parse_intermixed_args(arguments)
    path = find_run(given.run)
    check_is_run(path, given.run)
    form = FORMATS[given.to]
    form.check_installed(f"--to {form.name}")
    folder = given.out or path / f"export-{form.name}"
    if folder.suffix == Path(form.file).suffix:
        raise UsageError(f"--out {folder} names a file", f"give a folder: {', '.join(form.files)} are written into it")
    check_new(folder, form.files)
    _export(RunDir(path), given, form, folder)
    return 0


def _export(directory: RunDir, given: Namespace, form: Format, folder: Path) -> None:
    from fastrun import compose

    settings = compose.from_config(directory.config(), [], has_trackers=False)
    checkpoint = select(directory.checkpoints, given.ckpt, settings.target.metric, settings.metrics)
    from fastrun.cli.waiting import showing
    from fastrun.training.trained.export.agreement import TOLERANCE
    from fastrun.training.trained.export.export import export

    with showing(f"exporting {checkpoint.name}"):
        done = export(directory, checkpoint, settings, form)
    write_files(folder, done.files)
    found, takes = done.agreement, done.interface
    print(f"written     {folder / form.file} ({len(done.files[form.file]) / 1e6:.2f} MB)")
    print(f"beside it   {CARD}, {DESCRIPTION}")
    print(f"takes       {takes.inputs}")
    print(f"            {takes.takes}")
    print(f"returns     {takes.outputs}")
    print(f"            {takes.returns}")
    print(f"inside      {takes.inside}")
    print(f"compared    {found.samples} {found.origin}")
    print(f"            in batches of {', '.join(map(str, found.batches))}")
    print(f"difference  {found.difference:.2e} at most")
    print(f"            {found.relative:.0e} of the scale of the outputs; {TOLERANCE:.0e} is allowed")
