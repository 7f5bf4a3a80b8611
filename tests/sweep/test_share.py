"""Each job gets GPUs and cores of its own, as far as there are enough."""

from __future__ import annotations

import os

import pytest

from fastrun.config.settings import DeviceConfig, Settings
from fastrun.sweep import resources


def job(count: int = 1, accelerator: str = "auto") -> Settings:
    return Settings(device=DeviceConfig(count=count, accelerator=accelerator))


def test_a_job_gets_the_gpus_that_the_fewest_others_use() -> None:
    names = ["0", "1", "2"]
    assert resources.gpus(job(), names, []) == ["0"]
    assert resources.gpus(job(), names, [["0"]]) == ["1"]
    assert resources.gpus(job(2), names, [["1"]]) == ["0", "2"]
    assert resources.gpus(job(), names, [["0"], ["1"], ["2"], ["0"]]) == ["1"]
    assert resources.gpus(job(4), names, []) == names, "its run says that there are too few"


def test_a_job_without_gpus_is_shown_what_there_is() -> None:
    assert resources.gpus(job(accelerator="cpu"), ["0"], []) is None
    assert resources.gpus(job(), [], []) is None


def test_the_names_of_gpus_are_those_that_the_environment_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert resources.visible(2) == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,GPU-8f")
    assert resources.visible(2) == ["3", "GPU-8f"]


def test_jobs_at_a_time_divide_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert [resources.threads(jobs) for jobs in (1, 2, 3, 16)] == [None, 4, 2, 1]
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert resources.threads(2) is None
