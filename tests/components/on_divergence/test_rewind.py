from fastrun.components.on_divergence.rewind import rewind
from fastrun.config.settings import OnDivergenceConfig


def test_stop_allows_no_rewind():
    assert rewind(OnDivergenceConfig(kind="stop"), at=5, to=0) is None


def test_a_rewind_lowers_the_rates_from_its_checkpoint_on():
    after = rewind(OnDivergenceConfig(kind="rewind", factor=0.5), at=7, to=4)
    assert after.rewinds == [{"at": 7, "to": 4, "factor": 0.5}]
    assert [after.lr_factor(step) for step in (3, 4, 100)] == [1.0, 0.5, 0.5]


def test_factors_multiply_and_a_deeper_rewind_takes_earlier_ones_along():
    first = rewind(OnDivergenceConfig(kind="rewind", factor=0.5), at=20, to=10)
    second = rewind(first, at=12, to=6)  # the run of before is gone from step 6 on
    assert [second.lr_factor(step) for step in (5, 6, 10)] == [1.0, 0.25, 0.25]
    third = rewind(second, at=30, to=25)
    assert [third.lr_factor(step) for step in (6, 24, 25)] == [0.25, 0.25, 0.125]
    assert len(first.rewinds) == 1  # the settings of before are unchanged


def test_there_are_as_many_rewinds_as_the_config_allows():
    config = OnDivergenceConfig(kind="rewind", times=2)
    for at in (5, 6):
        config = rewind(config, at=at, to=3)
    assert rewind(config, at=7, to=3) is None
