"""The points of a sweep: combined, zipped, random, or from a file; and what cannot be combined."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fastrun import compose
from fastrun.storage.job import Job, JobRecord, JobSource

Points = Callable[..., list[list[str]]]
Refused = Callable[..., str]


@pytest.fixture
def points(folder: Path) -> Points:
    """Compose a sweep's jobs without running them; return what tells them apart."""

    def composed(*arguments: str) -> list[list[str]]:
        jobs: list[Job] = []

        def sweep(where: Path, source: JobSource, *_: Any) -> list[JobRecord]:
            where.mkdir(parents=True)
            jobs.extend(source.known_jobs())
            return []

        compose.run(["-m", "model=mlp", *(one for one in arguments if one != "-m")], lambda _: None, sweep)
        return [job.sweep_overrides for job in jobs]

    return composed


@pytest.mark.full
def test_every_command_of_the_page_on_sweeps_composes(points: Points) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "sweeps.md").read_text()
    Path("lines.txt").write_text(re.findall(r"^# lines.txt\n(.*?)^```", page, re.M | re.S)[0])
    text = "".join(re.findall(r"^```bash\n(.*?)^```", page, re.M | re.S)).replace("\\\n", "")
    commands = [shlex.split(line, comments=True) for line in text.splitlines()]
    sweeps = [arguments for _, verb, *arguments in commands if verb == "train"]
    here = [arguments for arguments in sweeps if "hydra/launcher=submitit_slurm" not in arguments]  # needs srun
    counts = [len(points(*arguments)) for arguments in here]
    assert counts == [4, 2, 4, 5, 2, 0, 2, 2, 2, 8, 8], "a search knows no points before it has begun"


def test_zipped_keys_go_together(points: Points) -> None:
    assert points("sweep.zip=true", "optimizer=sgd,adamw", "seed=1,2") == [
        ["optimizer=sgd", "seed=1"],
        ["optimizer=adamw", "seed=2"],
    ]


def test_keys_that_are_not_zipped_make_the_grid(points: Points) -> None:
    found = points("sweep.zip=[optimizer,optimizer.lr]", "optimizer=sgd,adamw", "seed=1,2", "optimizer.lr=0.1,0.01")
    assert found == [
        ["optimizer=sgd", "seed=1", "optimizer.lr=0.1"],
        ["optimizer=sgd", "seed=2", "optimizer.lr=0.1"],
        ["optimizer=adamw", "seed=1", "optimizer.lr=0.01"],
        ["optimizer=adamw", "seed=2", "optimizer.lr=0.01"],
    ]


@pytest.mark.slow
def test_random_points_are_the_same_for_a_seed_and_others_for_another(points: Points) -> None:
    space = "optimizer.lr=tag(log,interval(1e-4,1e-1))", "optimizer=sgd,adamw", "seed=range(9)"
    found = points(*space, "sweep.random=3")
    assert len({tuple(own) for own in found}) == 3
    assert found == points(*space, "sweep.random=3", "sweep.seed=0")
    assert found != points(*space, "sweep.random=3", "sweep.seed=1")


def test_more_random_points_than_there_are_means_all_and_says_so(
    points: Points, capfd: pytest.CaptureFixture[str]
) -> None:
    assert points("seed=1,2,3", "sweep.random=9") == [["seed=1"], ["seed=2"], ["seed=3"]]
    assert capfd.readouterr().out == "sweep.random=9: there are only 3 different points; all are tried\n"


def test_a_line_of_a_file_is_a_job_for_each_point_of_the_grid(points: Points) -> None:
    Path("lines.txt").write_text('# two\noptimizer=sgd model.hidden="[8, 8]" # deeper\n\n  \nepochs=2\n')
    assert points("sweep.file=lines.txt", "seed=1,2", "epochs=1") == [
        ["optimizer=sgd", "model.hidden=[8, 8]", "seed=1"],
        ["optimizer=sgd", "model.hidden=[8, 8]", "seed=2"],
        ["seed=1", "epochs=2"],
        ["seed=2", "epochs=2"],
    ]


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("optimizer=sgdd", "lines.txt:2: optimizer=sgdd: no such option"),
        ("epochs=fast", "lines.txt:2: epochs: Value 'fast'"),
        ("seed=1,2", "lines.txt:2: seed=1,2 has several values"),
        ("clip=norm", "lines.txt:2: clip=norm, but clip is swept over on the command line"),
        ("sweep.jobs=2", "lines.txt:2: sweep.jobs=2 cannot differ between jobs"),
        ("model.hidden='[8", "lines.txt:2: no closing quotation"),
        ("model.hidden=[8", "lines.txt:2: model.hidden=[8 is not an override"),
        ("", None),
    ],
)
def test_a_mistake_in_a_file_is_named_with_its_line(refused: Refused, line: str, message: str | None) -> None:
    Path("lines.txt").write_text(f"seed=3\n{line}\n" if message else "# nothing\n")
    err = refused("-m", "sweep.file=lines.txt", "clip=none,norm")
    assert err.startswith(f"error: {message or 'lines.txt has no line of overrides'}")


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("-m", "sweep.zip=true", "optimizer=sgd,adamw", "seed=1,2,3"), "optimizer has 2, seed has 3"),
        (("-m", "sweep.zip=[sed]", "seed=1,2"), "did you mean seed?"),
        (("-m", "optimizer.lr=interval(0,1)"), "no end of values"),
        (("-m", "optimizer.lr=interval(1,0)", "sweep.random=2"), "no numbers between"),
        (("-m", "batch.size=interval(8,64)", "sweep.random=2"), "int(interval(1,10))"),
        (("-m", "sweep.jobs=1,2"), "keys of sweep are not swept over"),
        (("-m", "sweep.file=nowhere.txt"), "sweep.file=nowhere.txt: No such file"),
        (("-m", "sweep.random=0", "seed=1,2"), "the minimum is 1"),
        (("sweep.random=3",), "hint: add -m"),
    ],
)
def test_what_cannot_be_combined_is_refused(refused: Refused, arguments: tuple[str, ...], words: str) -> None:
    assert words in refused(*arguments)
