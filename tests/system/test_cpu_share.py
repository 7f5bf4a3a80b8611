"""The share of CPU time that this process got."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastrun.system import cpu_share
from fastrun.system.cpu_share import CpuShare


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch):
    """Set the nanoseconds that each thread ran and waited, as Linux tells them."""
    monkeypatch.setattr(cpu_share, "_TASKS", tmp_path)

    def tell(**threads: str) -> None:
        for name, text in threads.items():
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / "schedstat").write_text(text)

    return tell


def test_the_share_is_of_all_threads_since_the_construction(tasks) -> None:
    tasks(a="1000 500 7\n", b="0 0 1\n")
    share = CpuShare()
    tasks(a="1600 600 9\n", b="0 100 2\n", started_since="200 0 1\n")
    assert share.share() == pytest.approx(800 / 1000)


def test_a_thread_that_ended_or_whose_number_is_used_again_does_not_count_backwards(tasks) -> None:
    tasks(a="1000 500 7\n", b="900 900 1\n")
    share = CpuShare()
    tasks(a="1100 500 9\n", b="")
    assert share.share() == 1.0


def test_it_is_unknown_where_nothing_ran_or_the_system_does_not_say(tasks, tmp_path: Path, monkeypatch) -> None:
    assert CpuShare().share() is None
    tasks(a="1000 500 7\n")
    assert CpuShare().share() is None
    monkeypatch.setattr(cpu_share, "_TASKS", tmp_path / "nowhere")
    assert CpuShare().share() is None


def test_linux_says_it_of_this_process() -> None:
    share = CpuShare()
    if not cpu_share._times():
        pytest.skip("this system does not count it")
    sum(range(1_000_000))
    assert 0 < share.share() <= 1
