"""The keys of ``hydra/launcher=ray``: which Ray runs the jobs of a sweep, and what each of them takes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastrun.errors import ConfigError, nearest

INIT = (
    "address", "num_cpus", "num_gpus", "resources", "labels", "object_store_memory", "include_dashboard",
    "dashboard_host", "dashboard_port", "namespace", "runtime_env", "_temp_dir", "_node_ip_address",
)  # fmt: skip
"""The keys of ``ray.init`` that a user may set; fastrun sets those about its output."""

REMOTE = (
    "num_cpus", "num_gpus", "memory", "resources", "accelerator_type", "label_selector", "runtime_env", "max_retries",
)  # fmt: skip
"""The options of a job on Ray."""

RETRIES = 3  # times that a job is started again whose worker or node is lost, as Ray does by default


@dataclass
class RayKeys:
    """Which Ray, and what a job takes of it.

    Attributes:
        init: arguments of ``ray.init``. Without ``address``, nor RAY_ADDRESS in the environment, a Ray is started here.
        remote: the resources of a job, and ``max_retries``.
    """

    init: dict[str, Any] = field(default_factory=dict)
    remote: dict[str, Any] = field(default_factory=dict)


@dataclass
class RayConfig:
    """The values of ``hydra.launcher`` for Ray, under the names that they have always had there."""

    ray: RayKeys = field(default_factory=RayKeys)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> RayConfig:
        """Return the checked config of plain values.

        Raises:
            ConfigError: there is no such key, or a value is not allowed.
        """
        _check_keys("hydra.launcher", values, ("ray",))
        keys = values.get("ray") or {}
        _check_keys("hydra.launcher.ray", keys, ("init", "remote"))
        init, remote = dict(keys.get("init") or {}), dict(keys.get("remote") or {})
        _check_keys("hydra.launcher.ray.init", init, INIT)
        _check_keys("hydra.launcher.ray.remote", remote, REMOTE)
        if str(init.get("address") or "").startswith("ray://"):
            message = f"hydra.launcher.ray.init.address={init['address']} reaches Ray from outside of its cluster"
            raise ConfigError(message, "start fastrun on a node of the cluster, with address=auto")
        _check_numbers(remote)
        return cls(RayKeys(init, remote))

    @property
    def retries(self) -> int:
        """Return how many times a job is started again whose worker or node is lost; -1 for no limit."""
        return int(self.ray.remote.get("max_retries", RETRIES))


def _check_keys(prefix: str, values: Any, known: tuple[str, ...]) -> None:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{prefix}={values} is not a group of keys", f"write {prefix}.{known[0]}=…")
    for key in values:
        if key not in known:
            raise ConfigError(f"no key {prefix}.{key}", nearest(str(key), known) or f"there is {', '.join(known)}")


def _check_numbers(remote: Mapping[str, Any]) -> None:
    """Check the numbers among the options of a job.

    Raises:
        ConfigError: one is not what Ray takes.
    """
    retries = remote.get("max_retries", 0)
    if type(retries) is not int or retries < -1:
        raise ConfigError(f"hydra.launcher.ray.remote.max_retries={retries} is no count", "0, 1, … or -1 for no limit")
    for name in ("num_cpus", "num_gpus", "memory"):
        value = remote.get(name)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0
        if value is not None and not is_number:
            raise ConfigError(f"hydra.launcher.ray.remote.{name}={value} is no amount", "write a number, such as 1")
        if value is not None and value > 1 and value != int(value):
            raise ConfigError(
                f"hydra.launcher.ray.remote.{name}={value}: Ray takes whole numbers above 1", f"{int(value)}, or 0.5"
            )
