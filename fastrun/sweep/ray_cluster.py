"""The Ray that runs the jobs of a sweep: one that is there, or one that is started here and ends with the sweep."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastrun.config.ray import RayConfig
from fastrun.errors import ConfigError, FastrunError

_LEAST_STORE = 75 * 1024**2  # bytes of shared memory, the least that Ray takes: jobs put nothing into it
_ANSWER = 10.0  # seconds
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}  # no report, no warning of it
_OF_A_NODE = ("memory", "resources", "accelerator_type", "label_selector", "runtime_env")  # options passed as they are


@dataclass(frozen=True)
class Shape:
    """What a job takes of a node.

    Attributes:
        cpus: cores.
        gpus: GPUs, or a part of one.
        threads: threads of each process of the job.
        node: the id of the node that it must run on; None for any.
    """

    cpus: float
    gpus: float
    threads: int = field(compare=False)
    node: str | None = None

    def __str__(self) -> str:
        """Return it in words."""
        gpus = f" and {self.gpus:g} GPU{'s' * (self.gpus > 1)}" if self.gpus else ""
        return f"{self.cpus:g} CPU{'s' * (self.cpus > 1)}{gpus}"


class RayCluster:
    """A connection to Ray.

    Args:
        config: which Ray, and what a job takes of it.
        gpus: GPUs of a job, as ``sweep.gpus`` says; None where it does not.

    Raises:
        ConfigError: Ray is not installed, or cannot be reached or started.
    """

    def __init__(self, config: RayConfig, gpus: float | None) -> None:
        self.ray, self.config = _import_ray(), config
        self.is_own = False
        self._gpus = config.ray.remote.get("num_gpus") if gpus is None else gpus
        self._before = signal.getsignal(signal.SIGTERM)  # Ray has one of its own
        if not self.ray.is_initialized():
            self._connect(dict(config.ray.init))
        elif config.ray.init:
            key = next(iter(config.ray.init))
            raise ConfigError(
                f"hydra.launcher.ray.init.{key}: this process is connected to Ray already", "leave it out"
            )
        self.node = str(self.ray.get_runtime_context().get_node_id())

    def _connect(self, init: dict[str, Any]) -> None:
        self.is_own = True
        if not (init.get("address") or os.environ.get("RAY_ADDRESS")):
            defaults = {"include_dashboard": False, "object_store_memory": _LEAST_STORE}
            init = defaults | init | {"address": "local"}
        address = str(init.get("address") or os.environ["RAY_ADDRESS"])
        _check_answer(address)
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        try:
            self.ray.init(**init, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # Ray raises many kinds, also for arguments that do not go together
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise ConfigError(f"hydra/launcher=ray: {address}: {reason}", "see hydra.launcher.ray.init.…") from error

    def shape(self, settings: Mapping[str, Any], *, is_alone: bool) -> Shape:
        """Return what a job takes.

        Args:
            settings: its config.
            is_alone: whether it needs a node for itself, which is then the one that the sweep runs on.

        Raises:
            FastrunError: that node has too little.
        """
        device = settings["device"]
        threads = int(settings["speed"]["threads"] or os.environ.get("OMP_NUM_THREADS") or 1)
        cpus = float(self.config.ray.remote.get("num_cpus", threads * device["count"]))
        gpus = self._gpus
        if gpus is None:
            gpus = device["count"] if device["accelerator"] != "cpu" and self._has_gpus() else 0
        shape = Shape(cpus, float(gpus), threads)
        return self._whole_node(shape) if is_alone else shape

    def _has_gpus(self) -> bool:
        return any(node.get("GPU") for node in self._nodes().values())

    def _whole_node(self, shape: Shape) -> Shape:
        """Return a shape that leaves no core of this node to others, so that the seconds of a job can be measured."""
        here = self._nodes().get(self.node, {})
        if here.get("CPU", 0) < max(1, shape.cpus) or here.get("GPU", 0) < shape.gpus:
            message = f"seconds are measured on the machine of the study, whose part in Ray lacks {shape}"
            raise FastrunError(message, "start it on a node that trains, with hydra.launcher.ray.init.address=auto")
        return Shape(here["CPU"], shape.gpus, shape.threads, self.node)

    def room(self, shape: Shape) -> int:
        """Return how many jobs of a shape all nodes together hold, other work on them aside."""
        needs = {"CPU": shape.cpus, "GPU": shape.gpus, "memory": float(self.config.ray.remote.get("memory") or 0)}
        needs |= self.config.ray.remote.get("resources") or {}
        return sum(_fits(node, needs) for node in self._nodes().values())

    def check_room(self, shape: Shape) -> None:
        """Check that a Ray that was started here, and stays as it is, holds a job at all.

        Raises:
            ConfigError: it does not.
        """
        is_fixed = self.is_own and not (self.config.ray.init.get("address") or os.environ.get("RAY_ADDRESS"))
        if is_fixed and not self.room(shape):
            raise ConfigError(
                f"a job takes {shape}, which the Ray of this machine does not have",
                "fewer: speed.threads, sweep.gpus, hydra.launcher.ray.remote.…; or more: hydra.launcher.ray.init.…",
            )

    def _nodes(self) -> dict[str, dict[str, float]]:
        return {node["NodeID"]: node["Resources"] for node in self.ray.nodes() if node["Alive"]}

    def actor(self, kind: type, shape: Shape) -> Any:
        """Return a handle of Ray's that makes actors of a class, with the resources of a shape."""
        options: dict[str, Any] = {
            "num_cpus": shape.cpus,
            "num_gpus": shape.gpus,
        }
        options |= {key: value for key, value in self.config.ray.remote.items() if key in _OF_A_NODE}
        if shape.node is not None:
            from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

            options["scheduling_strategy"] = NodeAffinitySchedulingStrategy(shape.node, soft=False)
        return self.ray.remote(concurrency_groups={"control": 4})(kind).options(**options)

    def close(self) -> None:
        """End the connection, and Ray where it was started here."""
        if self.is_own:
            self.ray.shutdown()
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._before)


def _check_answer(address: str) -> None:
    """Check that something listens at an address of the form ``host:port``: Ray itself would try for a minute.

    Raises:
        ConfigError: nothing does.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_ANSWER).close()
    except (OSError, OverflowError) as error:
        hint = "hydra.launcher.ray.init.address or RAY_ADDRESS: host:port of the head node, or auto"
        raise ConfigError(f"no Ray answers at {address}", hint) from error


def _fits(node: Mapping[str, float], needs: Mapping[str, float]) -> int:
    """Return how many jobs a node holds by its resources; one a core of those that need nothing."""
    wanted = {name: amount for name, amount in needs.items() if amount} or {"CPU": 1.0}
    return min(int(node.get(name, 0) / amount + 1e-6) for name, amount in wanted.items())


def _import_ray() -> Any:
    """Import Ray.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise ConfigError("hydra/launcher=ray needs ray", "pip install 'fastrun[sweep]'") from error
    return ray
