"""What shortcuts are for: He et al. 2016, figure 6, in small."""

from pathlib import Path

import pytest

import fastrun

BUDGET = ["model=resnet", "model.width=4", "batch.size=32", "steps=120", "optimizer=adamw", "optimizer.lr=0.01"]
START = ["init=he_normal", "norm=batch", "amp=off", "val_every=100%"]


def accuracy(*own: str) -> float:
    return fastrun.train([*BUDGET, *START, *own], quiet=True).summary["best"]["value"]


@pytest.mark.slow  # 15 s
def test_56_layers_train_with_shortcuts_and_not_without_at_the_same_budget(folder: Path) -> None:
    assert accuracy("model.depth=56", "model.skip=true") > 0.5
    assert accuracy("model.depth=56", "model.skip=false") < 0.2
    assert accuracy("model.depth=8", "model.skip=false") > 0.5  # it is the depth that the plain one cannot take
