"""Whose code a config may name as a ``_target_``: the shipped options', the user's own, and what the user trusts.

A recipe, an option or a run directory may come from a stranger, and a ``_target_`` in it is a call. So only the user
grants trust: by ``trust=NAME`` on the command line, by ``FASTRUN_TRUST`` in the environment (child processes inherit
it), or by ``[tool.fastrun] trust = ["NAME"]`` in the ``pyproject.toml`` of the folder in which fastrun is started.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import importlib.util
import inspect
import os
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastrun.config import registry
from fastrun.config.paths import shipped
from fastrun.errors import ConfigError, UsageError

_HARMLESS = {
    "torch.optim": "ASGD Adadelta Adafactor Adagrad Adam AdamW Adamax LBFGS NAdam RAdam RMSprop Rprop SGD",
    "torch.nn": "BCEWithLogitsLoss CrossEntropyLoss HuberLoss Identity KLDivLoss L1Loss Linear MSELoss MultiMarginLoss "
    "MultiLabelSoftMarginLoss NLLLoss PoissonNLLLoss ReLU SmoothL1Loss SoftMarginLoss",
    "timm.optim": "AdaBelief AdamP AdamWLegacy Adan Adopt Lamb LaProp Lars Lion MADGRAD NAdamW SGDP SGDW",
    "timm.loss": "BinaryCrossEntropy JsdCrossEntropy LabelSmoothingCrossEntropy SoftTargetCrossEntropy",
    "schedulefree": "AdamWScheduleFree RAdamScheduleFree SGDScheduleFree",
    "torchmetrics": "AUROC Accuracy AveragePrecision CalibrationError CohenKappa CosineSimilarity ExactMatch "
    "ExplainedVariance F1Score FBetaScore HammingDistance HingeLoss JaccardIndex KendallRankCorrCoef LogCoshError "
    "MatthewsCorrCoef MeanAbsoluteError MeanAbsolutePercentageError MeanSquaredError MeanSquaredLogError "
    "MultiScaleStructuralSimilarityIndexMeasure PeakSignalNoiseRatio PearsonCorrCoef Precision R2Score Recall "
    "RelativeSquaredError SpearmanCorrCoef Specificity StructuralSimilarityIndexMeasure "
    "SymmetricMeanAbsolutePercentageError WeightedMeanAbsolutePercentageError",
    "pytorch_lightning.callbacks": "DeviceStatsMonitor EarlyStopping LearningRateMonitor ModelSummary RichModelSummary",
}
HARMLESS = frozenset(f"{module}.{name}" for module, names in _HARMLESS.items() for name in names.split())
"""What any config may call beside the shipped options: whatever the arguments, no file or address is touched by it.

A name is added once its code has been read with that question, and never a whole module: somewhere in each of these
packages is a function that reads a pickle, imports what a text names, or removes what a path names.
"""

OWN_MODULE_HINT = "a module of yours must be in the folder in which you start fastrun"
_PARTED = {"fastrun", "torch", "torchvision", "timm", "torchmetrics", "pytorch_lightning", "lightning", "hydra"}
_INSTALLED = {"site-packages", "dist-packages"}  # a virtual environment in the user's folder is not the user's code
_VARIABLE = "FASTRUN_TRUST"


def split_trust(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split a command line into the arguments other than ``trust=…`` and the names to trust.

    Args:
        arguments: the command line.

    Raises:
        UsageError: a name to trust is not the dotted name of a package or a function.
    """
    rest = [argument for argument in arguments if not argument.startswith("trust=")]
    values = [argument.removeprefix("trust=").strip("[]") for argument in arguments if argument.startswith("trust=")]
    names = [name.strip() for value in values for name in value.split(",")]
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")):
            raise UsageError(f"trust={name} names no package", "write trust=package, or trust=package.module.name")
    return rest, names


@contextmanager
def grant(names: Iterable[str]) -> Iterator[None]:
    """Trust some names during a block, in child processes as well."""
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = ",".join([before or "", *names]).strip(",")
    try:
        yield
    finally:
        os.environ.pop(_VARIABLE)
        if before is not None:
            os.environ[_VARIABLE] = before


def trusted_names() -> set[str]:
    """Return the names that the user trusts.

    Raises:
        ConfigError: the user's pyproject.toml cannot be read, or its ``trust`` is not a list of names.
    """
    return {*filter(None, os.environ.get(_VARIABLE, "").split(",")), *_trusted_by_project(Path("pyproject.toml"))}


def _trusted_by_project(path: Path) -> list[str]:
    try:
        names = tomllib.loads(path.read_text()).get("tool", {}).get("fastrun", {}).get("trust", [])
    except FileNotFoundError:
        return []
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"{path}: tool.fastrun.trust is not a list of names", 'write trust = ["package"]')
    return names


def check_all(config: Any, key: str = "") -> None:
    """Check the name of every ``_target_`` in a config at any depth, without importing any.

    Args:
        config: plain data.
        key: the dotted key of it in the whole config, for messages.

    Raises:
        ConfigError: there is no such module, or it may not be called.
    """
    for name, value in _children(config):
        if name == "_target_" and isinstance(value, str):
            check_name(value, key)
        else:
            check_all(value, f"{key}.{name}".lstrip("."))


def _children(node: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(node, Mapping):
        return node.items()
    return enumerate(node) if isinstance(node, list) else ()


def check_name(target: str, key: str) -> None:
    """Check that a ``_target_`` names a shipped option, harmless code, the user's own code, or what the user trusts.

    Args:
        target: the dotted path, or the name of one of fastrun's own options.
        key: the dotted key of the component, for messages. Only the user's own code and trusted code may be called
            below a component, as an argument of it.

    Raises:
        ConfigError: it does not, or there is no such module.
    """
    if _is_allowed(target, key) or registry.target_of(key, target):
        return
    top = target.partition(".")[0]
    files = _files_of(top)
    if top not in sys.builtin_module_names and top not in sys.modules and not files:
        raise ConfigError(f"{key}._target_={target}: no such module", OWN_MODULE_HINT)
    if not is_user_code(files) or top in sys.stdlib_module_names or top == "fastrun":
        raise _not_trusted(key, target, target)


def check_object(thing: Any, target: str, key: str) -> None:
    """Check a module, class or function on the path to a target by the module that defines it.

    A name in the user's code may be another name of something elsewhere: ``mymod.os.system``.

    Args:
        thing: the module, class or function.
        target: the whole dotted path.
        key: the dotted key of the component, for messages.

    Raises:
        ConfigError: it is defined in code that is neither the user's nor trusted.
    """
    if _is_allowed(target, key):
        return
    module = _defining_module(thing)
    name = f"{module}.{getattr(thing, '__qualname__', '')}".rstrip(".")
    if _is_within(name, trusted_names()):
        return
    top = module.partition(".")[0]
    file = getattr(sys.modules.get(module), "__file__", None)
    if top == "fastrun" or not is_user_code([Path(file)] if file else _files_of(top)):
        raise _not_trusted(key, target, name)


def _not_trusted(key: str, target: str, real: str) -> ConfigError:
    """Return the error for code that a config may not call.

    Args:
        key: the dotted key of the component.
        target: its ``_target_``.
        real: the dotted path to where the code is defined.
    """
    top = real.partition(".")[0]
    name = target if top in _PARTED | sys.stdlib_module_names else top  # all of torch would be more than is needed
    origin = "" if real == target else f" is {real}, which"
    nested = " below a component" if target in HARMLESS else ""
    close = difflib.get_close_matches(target, HARMLESS, n=1, cutoff=0.9)
    likely = "".join(f"did you mean {one}? " for one in close if one != target)
    hint = f"{likely}if you want it called, add trust={name}"
    return ConfigError(f"{key}._target_={target}{origin} is not among what a config may call{nested}", hint)


def _defining_module(thing: Any) -> str:
    if inspect.ismodule(thing):
        return thing.__name__
    while isinstance(thing, functools.partial):
        thing = thing.func
    return str(getattr(thing, "__module__", None) or type(thing).__module__)


def _is_allowed(target: str, key: str) -> bool:
    """Say whether a target may be called whoever named it."""
    group, _, rest = key.partition(".")
    is_component = "." not in rest if group in ("callbacks", "metrics") else not rest
    return _is_within(target, trusted_names()) or (is_component and target in HARMLESS | _shipped_targets(group))


def _is_within(name: str, prefixes: Iterable[str]) -> bool:
    return any(f"{name}.".startswith(f"{prefix}.") for prefix in prefixes)


@functools.cache
def _shipped_targets(group: str) -> frozenset[str]:
    """Return the dotted paths in a group's shipped options: of fastrun's own code, its configs call nothing else."""
    texts = [path.read_text() for path in (shipped("conf") / group).glob("*.yaml")]
    return frozenset(name for text in texts for name in re.findall(r"^(?:_target_|# code): (\S+)", text, re.M))


def _files_of(top: str) -> list[Path]:
    """Return the files or folders of a top-level module or package, without importing it."""
    if top in sys.modules:
        module = sys.modules[top]
        file = getattr(module, "__file__", None)
        return [Path(file)] if file else [Path(folder) for folder in getattr(module, "__path__", ())]
    importlib.invalidate_caches()  # a file may have been written a moment ago, in a notebook for one
    try:
        spec = importlib.util.find_spec(top) if top else None
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    if spec.has_location and spec.origin:
        return [Path(spec.origin)]
    return [Path(folder) for folder in spec.submodule_search_locations or ()]


def is_user_code(files: Sequence[Path]) -> bool:
    """Say whether the files of a module all lie in the current folder, and none in packages installed there."""
    if not files:
        return False
    here = Path.cwd()
    absolute = [file.absolute() for file in files]
    if not all(file.is_relative_to(here) for file in absolute):
        return False
    return not any(_INSTALLED & set(file.relative_to(here).parts) for file in absolute)


def user_files(top: str) -> list[Path]:
    """Return the source files of a module or package of the user's, in order; none if it is not the user's."""
    places = _files_of(top)
    if not is_user_code(places):
        return []
    packages = [path.parent if path.is_file() else path for path in places if path.name in ("__init__.py", top)]
    modules = [path for path in places if path.is_file() and path.name != "__init__.py"]
    return sorted([*modules, *(file for package in packages for file in package.rglob("*.py"))])
