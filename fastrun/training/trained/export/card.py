"""The model card of an export: what the model is, how good it is, and how it is run."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastrun.redaction import redact, redact_override
from fastrun.storage.checkpoint.load import load_small
from fastrun.storage.checkpoint.state import CheckpointState
from fastrun.storage.run_dir import RunDir
from fastrun.system.versions import versions
from fastrun.training.trained.export.agreement import TOLERANCE, Agreement
from fastrun.training.trained.export.formats import DESCRIPTION, Format
from fastrun.training.trained.export.interface import Interface
from fastrun.training.trained.model import TrainedNetwork

_MOST = 50  # classes, or inputs of a row, that are listed


@dataclass(frozen=True)
class Card:
    """What a card is about.

    Attributes:
        run: the run.
        checkpoint: the path of its checkpoint.
        trained: the network.
        form: the format.
        interface: what the model takes and returns.
        agreement: how well it agrees with the network.
    """

    run: RunDir
    checkpoint: Path
    trained: TrainedNetwork
    form: Format
    interface: Interface
    agreement: Agreement


def render_card(card: Card) -> str:
    """Return a card as Markdown."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # torch needs it, too

    loader = PackageLoader("fastrun.training.trained.export", "")
    environment = Environment(
        loader=loader, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {"cell": _cell, "number": _number, "quoted": _quoted}
    return environment.get_template("card.md.j2").render(_context(card))


def _context(card: Card) -> dict[str, Any]:
    trained, state = card.trained, CheckpointState.of(load_small(card.checkpoint))
    learned, settings = trained.learned, trained.settings
    own = str(settings.model["_target_"])
    return {
        "title": f"{own.rpartition('.')[2]} on {settings.choices.get('data', 'data')}",
        "form": card.form,
        "description": DESCRIPTION,
        "model": own,
        "module": own.rpartition(".")[0],
        "parameters": sum(weight.numel() for weight in trained.net.parameters()),
        "task": learned.task,
        "data": redact(card.run.read("data.json")),
        "data_name": settings.choices.get("data", "not known"),
        "fingerprint": learned.fingerprint,
        "classes": learned.classes,
        "most": _MOST,
        "interface": card.interface,
        "example": (2, *learned.in_shape),
        "numpy_dtype": "bool_" if learned.dtype == "bool" else learned.dtype,
        "step": state.train_state.get("step"),
        "metrics": state.metrics,
        "is_averaged": bool(state.evaluation_weights),
        "recipe": settings.choices.get("recipe"),
        "overrides": [redact_override(one) for one in card.run.overrides()],
        "seed": settings.seed,
        "run": card.run.path.name,
        "agreement": card.agreement,
        "tolerance": TOLERANCE,
        "versions": versions() | {package: version(package) for package in card.form.packages},
        "written": time.strftime("%Y-%m-%d"),
    }


def _cell(text: object) -> str:
    """Return a text as Markdown that shows it as it is, in a line of a table."""
    shown = " ".join(str(text).split()).replace("\\", "\\\\").replace("<", "&lt;")
    return shown.replace("|", "\\|").replace("`", "\\`")


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
