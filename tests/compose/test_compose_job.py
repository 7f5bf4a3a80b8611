"""The jobs of a sweep, which share what is slow to compose, are what each would be by itself."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from fastrun import compose
from fastrun.errors import FastrunError
from fastrun.storage.job import Job

SWEEPS = [
    ["+recipe=resnet_amp", "optimizer=sgd,adamw", "optimizer.lr=0.1,0.2"],
    ["+recipe=mlp_fast,resnet_amp", "epochs=1,2", "batch={size: 7}"],
    ["model=mlp", "model.hidden=[8],[4,4]", "+callbacks.a.b=1,2", "name=own", "+data.extra={x: 1}"],
    ["early_stopping=budget", "early_stopping.steps=3,4", "~optimizer.lr"],
    ["target.metric=val/acc,val/loss", "early_stopping=patience", "seed=range(0,2)"],
]


def jobs_of(arguments: list[str]) -> list[Job]:
    """Return the jobs that a sweep composes to, without running them."""
    found: list[Job] = []
    compose.run(
        [*arguments, "-m"], lambda job: None, lambda folder, source, *_: found.extend(source.known_jobs()) or []
    )
    return found


@pytest.mark.sampled
@pytest.mark.parametrize("arguments", SWEEPS, ids=lambda arguments: arguments[0])
def test_a_job_is_composed_to_what_it_is_by_itself(folder: Path, arguments: list[str]) -> None:
    jobs = jobs_of(arguments)
    assert len(jobs) >= 2
    assert len({job.sha256() for job in jobs}) == len(jobs)
    for job in jobs:
        assert asdict(job.settings) == asdict(compose.compose(job.overrides))
        assert set(job.sweep_overrides) <= set(job.overrides)
    assert not list(folder.iterdir())


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["model=mlp,mpl"], "job 1 (model=mpl): model=mpl: no such option"),
        (["batch.size=1,x"], "job 1 (batch.size=x): batch.size"),
        (["batch.size=1,0"], "job 1 (batch.size=0): batch.size=0 is too small"),
        (["model.wdth=1,2", "model=mlp"], "job 0 (model.wdth=1): "),
        (["seed=interval(0,1)"], "seed=interval(0.0,1.0) has no end of values"),
        (["seed=1,2", "hydra.sweep.subdir=x"], "a sweep names the folders of its jobs itself"),
    ],
)
def test_a_job_that_does_not_compose_is_named_and_nothing_starts(
    folder: Path, arguments: list[str], words: str
) -> None:
    with pytest.raises(FastrunError) as raised:
        jobs_of(arguments)
    assert raised.value.message.startswith(words)
    assert raised.value.exit_code == 2
    assert not list(folder.iterdir())


def test_the_hash_leaves_out_where_a_job_goes_and_how_it_is_run(folder: Path) -> None:
    one, other = ([*jobs_of(["seed=1,2", *more])] for more in ((), ("outputs=elsewhere", "sweep.jobs=2")))
    assert [job.sha256() for job in one] == [job.sha256() for job in other]
    assert one[0].folder.name == "0-seed=1"


@pytest.mark.sampled
@pytest.mark.parametrize("text", ["../../up", "ü" * 300, "\U0001f600" * 300, "a/b" * 200])
def test_a_folder_is_named_by_a_jobs_own_overrides_and_stays_where_it_is(folder: Path, text: str) -> None:
    for job in jobs_of([f"+data.note='{text}',''"]):
        assert job.folder.parent.name.startswith("sweep-")
        assert "/" not in job.folder.name
        assert len(job.folder.name.encode()) <= 255
        assert job.folder.name.startswith(f"{job.number}-")
