"""The process that jobs are forked from: it imports torch and Lightning once, and never uses them.

It reads orders and writes what happened, in lines of JSON:

    <- {"ready": true, "gpus": 2}
    -> {"start": 3, "folder": …, "settings": …, "overrides": …, "threads": 4, "gpus": ["0"]}
    <- {"started": 3, "pid": 4711}
    -> {"stop": 3, "signal": 15}
    <- {"ended": 3, "code": -15}

It has one thread, so that forking is safe, and no context on a GPU, so that jobs can make their own. Where its input
ends, whoever started it is gone: it has the jobs save and end, and ends.
"""

from __future__ import annotations

import gc
import json
import os
import selectors
import signal
import time
from contextlib import suppress
from typing import Any


class Server:
    """Forks and reaps the processes of jobs; ``grace`` is the time in seconds that they have to save at the end."""

    def __init__(self, orders: int, messages: int) -> None:
        self.orders, self.messages = orders, messages
        self.grace = 0.0
        self.jobs: dict[int, int] = {}  # process id to job
        self.handles = [messages]  # no business of jobs
        self._incomplete = b""
        self._open = True

    def serve(self) -> None:
        """Carry out requests until the input ends, then end the jobs."""
        wakeup, wakeup_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(wakeup_end)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        with selectors.EpollSelector() as selector:
            self.handles += [wakeup, wakeup_end, selector.fileno()]
            selector.register(self.orders, selectors.EVENT_READ)
            selector.register(wakeup, selectors.EVENT_READ)
            while self._open:
                ready = {key.fd for key, _ in selector.select()}
                if wakeup in ready:
                    os.read(wakeup, 4096)
                    self.reap()
                if self.orders in ready:
                    self.listen()
        self.end()

    def listen(self) -> None:
        """Carry out the requests in the next lines."""
        read = os.read(self.orders, 1 << 20)
        self._open = bool(read)
        *lines, self._incomplete = (self._incomplete + read).split(b"\n")
        for line in lines:
            order = json.loads(line)
            if "start" in order:
                self.start(order)
            else:
                self.stop(order["stop"], order["signal"])

    def start(self, order: dict[str, Any]) -> None:
        """Fork a process for a job."""
        from fastrun.sweep import job_process

        self.grace = order["grace"]
        job_process.prepare(order["settings"])
        order["server"] = os.getpid()
        pid = os.fork()
        if not pid:
            job_process.main(order, self.handles)
        with suppress(OSError):  # done already by the job itself, if it was faster
            os.setpgid(pid, pid)
        self.jobs[pid] = order["start"]
        self.send({"started": order["start"], "pid": pid})

    def stop(self, job: int, number: int) -> None:
        """Send a signal to a job: SIGTERM to its process only, SIGKILL to all processes that it has started as well."""
        for pid, running in self.jobs.items():
            if running == job:
                (os.killpg if number == signal.SIGKILL else os.kill)(pid, number)

    def reap(self) -> None:
        """Report the jobs whose processes have ended, and kill the processes that they left behind."""
        for pid, job in list(self.jobs.items()):
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            with suppress(OSError):
                os.killpg(pid, signal.SIGKILL)  # before its number is free for another process
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            del self.jobs[pid]
            self.send({"ended": job, "code": code})

    def end(self) -> None:
        """Send SIGTERM to all jobs, wait for the grace period, then send SIGKILL to the remaining ones."""
        deadline = time.monotonic() + self.grace
        for job in self.jobs.values():
            self.stop(job, signal.SIGTERM)
        while self.jobs and time.monotonic() < deadline:
            time.sleep(0.05)
            self.reap()
        for job in self.jobs.values():
            self.stop(job, signal.SIGKILL)

    def send(self, message: dict[str, Any]) -> None:
        """Write a message, unless the reader is gone."""
        try:
            os.write(self.messages, json.dumps(message).encode() + b"\n")
        except BrokenPipeError:
            self._open = False


def main() -> None:
    """Import the training modules once, then fork a process for each job until the input ends."""
    messages = os.dup(1)
    os.dup2(2, 1)  # what an import prints is no answer
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    from fastrun.sweep import job_process

    gc.collect()
    gc.freeze()  # a job's garbage collector leaves alone, and so does not copy, what is here already
    server = Server(0, messages)
    server.send({"ready": True, "gpus": job_process.gpus()})
    server.serve()


if __name__ == "__main__":
    main()
