"""fastrun's command line in processes of their own, without the seconds that importing torch takes each time.

Run as a script it imports everything once, then forks a process for each line of JSON that it reads.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


class Forking:
    """A process that has imported what training needs, and runs command lines in forks of itself."""

    def __init__(self) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-P", "-W", "error::DeprecationWarning:fastrun", __file__]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)

    def run(self, folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command line in a folder and return its exit code and what it printed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        asked = {"arguments": arguments, "folder": str(folder), "environment": environment}
        self.process.stdin.write(json.dumps(asked).encode() + b"\n")
        self.process.stdin.flush()
        done = json.loads(self.process.stdout.readline())
        return subprocess.CompletedProcess(arguments, **done)

    def close(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def serve() -> None:
    """Answer line by line."""
    import pytorch_lightning  # noqa: F401
    import sklearn.datasets  # noqa: F401
    import torchmetrics  # noqa: F401

    for line in sys.stdin:
        print(json.dumps(forked(**json.loads(line))), flush=True)


def forked(arguments: list[str], folder: str, environment: dict[str, str]) -> dict[str, Any]:
    """Run a command line in a fork."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        child = os.fork()
        if child == 0:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            os.chdir(folder)
            os.environ.update(environment)
            signal.alarm(120)  # so that a run that hangs fails its test
            sys.argv = ["fastrun", *arguments]
            os._exit(_main())
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        out.seek(0)
        err.seek(0)
        return {"returncode": code, "stdout": out.read().decode(), "stderr": err.read().decode()}


def _main() -> int:
    import traceback

    from fastrun.cli.main import main

    code: Any = 70
    try:
        code = main()
    except SystemExit as error:
        code = error.code
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    return int(code or 0)


if __name__ == "__main__":
    serve()
