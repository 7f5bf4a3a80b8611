"""An empty folder to run in for each test, and the command line as users have it."""

from __future__ import annotations

import atexit
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from forking import Forking

sys.path.pop(0)

ROOT = Path(__file__).resolve().parents[1]

Shell = Callable[..., subprocess.CompletedProcess[str]]


QUICK_SHARE = 6


def pytest_configure() -> None:
    """Keep what runs measure and decode out of the user's cache folder."""
    if "FASTRUN_CACHE" not in os.environ:
        folder = tempfile.mkdtemp(prefix="fastrun-cache-")
        os.environ["FASTRUN_CACHE"] = folder
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow the cases of a sampled test but every sixth, and skip the longest tests outside of test-all."""
    counts: Counter[str] = Counter()
    for item in items:
        if item.get_closest_marker("sampled"):
            name = item.nodeid.partition("[")[0]
            if counts[name] % QUICK_SHARE:
                item.add_marker("slow")
            counts[name] += 1
        if item.get_closest_marker("full") and "FASTRUN_FULL" not in os.environ:
            item.add_marker(pytest.mark.skip(reason="takes long: part of make test-all"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder; modules imported from it are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def shell(folder: Path, forking: Forking) -> Shell:
    """Run fastrun in a fork of a process that has torch loaded, in the empty folder."""
    return lambda *arguments, **environment: forking.run(folder, *arguments, **environment)


@pytest.fixture
def new_process(folder: Path) -> Shell:
    """Run fastrun in a new process, in the empty folder: for what happens before torch is loaded, or to processes."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error::DeprecationWarning:fastrun", "-m", "fastrun", *arguments]
        environ = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)} | environment
        return subprocess.run(
            command, capture_output=True, text=True, cwd=folder, env=environ, timeout=120, check=False
        )

    return run


@pytest.fixture(scope="session")
def forking() -> Iterator[Forking]:
    """A process that has imported torch, and runs command lines in forks of itself."""
    server = Forking()
    yield server
    server.close()


@pytest.fixture
def lines() -> Callable[[Path], list[dict[str, Any]]]:
    """Read a metrics.jsonl."""
    return lambda run: [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture
def disk_full_after() -> Callable[[int], AbstractContextManager[None]]:
    """Let the system refuse to write more than so many bytes into a file, for a block."""

    @contextmanager
    def full(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return full
