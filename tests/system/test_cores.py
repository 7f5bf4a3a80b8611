"""How many cores a process may use, by affinity, control group and environment."""

import os

import pytest

from fastrun.system import cores, proc


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Files under /proc and /sys."""
    content: dict[str, str] = {}
    monkeypatch.setattr(proc, "read", lambda path: content.get(path, ""))
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return content


def test_affinity_is_the_limit_where_there_is_no_other(files: dict[str, str]) -> None:
    assert cores.allowed_cores() == 8


@pytest.mark.parametrize(
    ("quota", "allowed"), [("100000 100000", 1), ("50000 100000", 1), ("350000 100000", 3), ("max 100000", 8)]
)
def test_the_quota_of_a_container(files: dict[str, str], quota: str, allowed: int) -> None:
    files["/proc/self/cgroup"] = "0::/\n"
    files["/sys/fs/cgroup/cpu.max"] = quota + "\n"
    assert cores.allowed_cores() == allowed


def test_the_least_quota_of_all_groups_above_counts(files: dict[str, str]) -> None:
    files["/proc/self/cgroup"] = "0::/user/job/step\n"
    files["/sys/fs/cgroup/user/cpu.max"] = "200000 100000\n"
    files["/sys/fs/cgroup/user/job/cpu.max"] = "400000 100000\n"
    assert cores.allowed_cores() == 2


def test_the_first_version_of_control_groups(files: dict[str, str]) -> None:
    files["/proc/self/cgroup"] = "7:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n"
    files["/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_quota_us"] = "300000\n"
    files["/sys/fs/cgroup/cpu/docker/abc/cpu.cfs_period_us"] = "100000\n"
    files["/sys/fs/cgroup/cpu/docker/cpu.cfs_quota_us"] = "-1\n"
    files["/sys/fs/cgroup/cpu/docker/cpu.cfs_period_us"] = "100000\n"
    assert cores.allowed_cores() == 3


@pytest.mark.parametrize(("value", "allowed"), [("2", 2), ("4,2", 4), ("64", 8), ("0", 8), ("many", 8)])
def test_the_environment_lowers_the_number(
    files: dict[str, str], monkeypatch: pytest.MonkeyPatch, value: str, allowed: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", value)
    assert cores.allowed_cores() == allowed


def test_what_the_user_says_about_waiting_stays() -> None:
    given = {"OMP_WAIT_POLICY": "active"}
    cores.wait_briefly(given)
    assert given == {"OMP_WAIT_POLICY": "active"}
    empty: dict[str, str] = {}
    cores.wait_briefly(empty)
    assert empty.keys() == {"GOMP_SPINCOUNT", "KMP_BLOCKTIME"}
