"""Runs a sweep from its first job to its final table; :func:`sweep` shows the parts in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fastrun.config.duration import to_seconds
from fastrun.config.ray import RayConfig
from fastrun.config.settings import SweepConfig
from fastrun.errors import ConfigError, Interrupted, StorageError
from fastrun.storage.job import Job, JobRecord, JobSource, Launching
from fastrun.storage.lock import locked
from fastrun.sweep import external
from fastrun.sweep.client import Client
from fastrun.sweep.job_server import JobServer
from fastrun.sweep.ledger import Ledger, is_sweep
from fastrun.sweep.live_view import LiveView
from fastrun.sweep.ray_client import RayClient
from fastrun.sweep.supervisor import Supervisor
from fastrun.sweep.table import show


def sweep(
    folder: Path,
    source: JobSource,
    settings: SweepConfig,
    launch: Launching | None = None,
    client: JobServer | None = None,
    quiet: bool = False,
) -> list[JobRecord]:
    """Run the jobs of a source, in processes of their own, and return the ledger.

    Args:
        folder: the sweep's, new or one to go on with.
        source: where the jobs come from.
        settings: how many at a time, and for how long at most.
        launch: what runs jobs in place of processes of this machine.
        client: a server that has been started already, to save time.
        quiet: print nothing.

    Raises:
        ConfigError: a timeout or a grace that is no time.
        InUse: somebody else runs this sweep.
        Interrupted: a signal stopped it.
        StorageError: the folder cannot be written, or holds a sweep already.
    """
    check_gpus(settings, launch)
    for key in ("timeout", "grace"):
        to_seconds(getattr(settings, key) or "1s", f"sweep.{key}")
    if is_sweep(folder) and {job.number for job in source.known_jobs()} & set(Ledger(folder).numbers()):
        raise StorageError(f"{folder} holds a sweep already", f"go on with: fastrun resume {folder}")
    if isinstance(launch, RayConfig):
        client = server(launch, settings, source.known_jobs())
    ledger = Ledger.create(folder, source, settings)
    with locked(folder):
        for job in source.known_jobs():
            ledger.add(job)
        number = carry_out(ledger, source, settings, launch, client, quiet)
    return conclude(ledger, number, quiet)


def conclude(ledger: Ledger, number: int, quiet: bool = False) -> list[JobRecord]:
    """Show what became of a sweep, and return it.

    Raises:
        Interrupted: a signal, of this number, stopped it.
    """
    records = ledger.records()
    if not quiet:
        show(ledger, records)
    if number:
        hint = f"go on with: fastrun resume {ledger.folder}"
        raise Interrupted(number, "the sweep is stopped, what ran is saved", hint)
    return records


def carry_out(
    ledger: Ledger,
    source: JobSource,
    settings: SweepConfig,
    launch: Launching | None = None,
    client: JobServer | None = None,
    quiet: bool = False,
) -> int:
    """Run the jobs of a source, and return the signal that stopped the sweep, or 0."""
    if client is None:
        check_gpus(settings, launch)
    if launch is None or isinstance(launch, RayConfig):
        client = client or server(launch, settings, source.known_jobs())
        if source.definition.get("kind") != "list":
            settings = replace(settings, jobs=settings.at_once)  # a search learns from what has ended
        with LiveView(source.total, quiet) as view:
            return Supervisor(ledger, source, settings, view, client).run()
    return external.carry_out(ledger, source, launch, to_seconds(settings.grace, "sweep.grace"))


def server(launch: RayConfig | None, settings: SweepConfig, jobs: Sequence[Job] = ()) -> JobServer:
    """Return what jobs are started with: Ray, or a new process of this machine.

    Args:
        launch: the Ray; None for this machine.
        settings: how the jobs run.
        jobs: the jobs that are known, of which Ray must hold each.

    Raises:
        ConfigError: Ray is not installed, cannot be reached or started, or cannot hold a job.
    """
    return Client() if launch is None else RayClient(launch, settings, jobs)


def check_gpus(settings: SweepConfig, launch: Launching | None) -> None:
    """Check that ``sweep.gpus`` is for the launcher.

    Raises:
        ConfigError: it is not, or it is a number that Ray does not take.
    """
    if settings.gpus is None:
        return
    if not isinstance(launch, RayConfig):
        hint = "add it; elsewhere a run takes device.count GPUs, or what hydra.launcher.gpus_per_node says"
        raise ConfigError(f"sweep.gpus={settings.gpus:g} is for hydra/launcher=ray", hint)
    if settings.gpus > 1 and settings.gpus != int(settings.gpus):
        raise ConfigError(f"sweep.gpus={settings.gpus:g}: Ray takes whole numbers above 1", "2, or 0.5")
    if "num_gpus" in launch.ray.remote:
        raise ConfigError("sweep.gpus and hydra.launcher.ray.remote.num_gpus are the same", "leave out one of them")


def exit_code(records: Sequence[JobRecord]) -> int:
    """Return 0 if all jobs finished or were pruned, else the exit code of the first other job, or 1."""
    failed = [record.exit_code or 1 for record in records if record.state not in ("finished", "pruned")]
    codes = [code if code in range(1, 9) else 1 for code in failed]  # what a signal ended has none of fastrun's
    return codes[0] if codes else 0
