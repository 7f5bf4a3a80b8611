"""Settings from the config of a run that this version of fastrun or an older one of the same format wrote."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from fastrun.compose import compose
from fastrun.config.settings import from_dict


def test_settings_survive_being_plain_data() -> None:
    settings = compose(["optimizer=sgd", "device.count=2", "schedule.on_extend=rewarm"])
    assert from_dict(asdict(settings)) == settings


def test_a_config_of_an_older_version_gets_new_keys_and_loses_removed_ones() -> None:
    settings = compose([])
    old = asdict(settings)
    del old["schedule"]["on_extend"]
    old["device"]["strategy"] = "auto"
    assert from_dict(old) == settings
    assert old["device"]["strategy"] == "auto", "the config itself is left as it is"


@pytest.mark.parametrize("change", [{"device": {"nothing": 1}}, {"nothing": 1}, {"device": 3}])
def test_a_config_that_no_version_wrote_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        from_dict(asdict(compose([])) | change)
