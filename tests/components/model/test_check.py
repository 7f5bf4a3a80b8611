"""Data of a kind that a model is not for is refused, with the model that it is for."""

import pytest

from fastrun.components.model.cnn import cnn
from fastrun.components.model.gpt import gpt
from fastrun.components.model.lstm import lstm
from fastrun.components.model.mlp import mlp
from fastrun.components.model.resnet import resnet
from fastrun.components.model.speednet import speednet
from fastrun.components.model.timm import timm
from fastrun.components.model.vit import vit
from fastrun.components.model.wide_resnet import wide_resnet
from fastrun.errors import ConfigError


@pytest.mark.parametrize(
    ("model", "in_shape"),
    [(cnn, (8,)), (resnet, (4, 8)), (wide_resnet, (1, 2, 3, 4)), (speednet, ()), (vit, (4, 8)), (timm, (8,))],
)
def test_models_of_images_refuse_all_else(model, in_shape):
    with pytest.raises(ConfigError, match=f"model={model.__name__} needs images; this data has shape") as caught:
        model(in_shape, 3)
    assert caught.value.hint == "use model=mlp for vectors, model=gpt, model=lstm or model=hf for text"


VECTORS = "mlp for vectors, model=hf for texts with classes"


@pytest.mark.parametrize("model", [gpt, lstm])
@pytest.mark.parametrize(
    ("in_shape", "vocabulary", "better"), [((8,), None, VECTORS), ((1, 8, 8), None, "resnet"), ((1, 8, 8), 5, "resnet")]
)
def test_models_of_text_refuse_all_else(model, in_shape, vocabulary, better):
    with pytest.raises(ConfigError, match=f"model={model.__name__} needs text") as caught:
        model(in_shape, vocabulary)
    assert caught.value.hint == f"use model={better}"


def test_mlp_refuses_tokens():
    with pytest.raises(ConfigError, match="this data is text") as caught:
        mlp((8,), 5, vocabulary=5)
    assert caught.value.hint == "use model=gpt or model=lstm"


@pytest.mark.parametrize(("model", "in_shape"), [(gpt, (8,)), (vit, (1, 8, 8))])
def test_heads_that_do_not_share_the_width_are_refused(model, in_shape):
    with pytest.raises(ConfigError, match=r"model\.heads=3 does not divide model\.width=20"):
        model(in_shape, 5, width=20, heads=3)
