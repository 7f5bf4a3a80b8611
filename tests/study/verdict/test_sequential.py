import pytest

from fastrun.study.verdict.contrast import Contrast
from fastrun.study.verdict.judge import Rule, judge
from fastrun.study.verdict.observation import Observation
from fastrun.study.verdict.sequential import progress

NAMES = "norm", "ema"
CONTRASTS = [Contrast(name, "without", f"full - {name}", "full") for name in NAMES]
AGAIN = Contrast("", "same", "full again", "full")
RULE = Rule(sequential=True)


def blocks_of(norm, ema):
    """Blocks in which the arms take so many times the steps of the full recipe; None: a miss."""
    return [
        {
            "full": Observation(1000, 0.01),
            "full - norm": Observation(first and 1000 * first, 0.01),
            "full - ema": Observation(second and 1000 * second, 0.01),
            "full again": Observation(1000 + (-1) ** number * (10 + number), 0.01),
        }
        for number, (first, second) in enumerate(zip(norm, ema, strict=True))
    ]


def words(blocks, contrasts=CONTRASTS, **arguments):
    found = progress(blocks, contrasts, RULE, **arguments)
    assert list(found) == contrasts
    return list(found.values())


EVEN = [1.1, 0.9] * 20


def test_an_arm_is_decided_after_enough_wins_and_not_before():
    assert words(blocks_of([2.0] * 8, EVEN[:8])) == ["open", "open"]  # 2^8 / 9 is below 40, two contrasts over 0.05
    assert words(blocks_of([2.0] * 9, EVEN[:9])) == ["decided", "open"]
    assert words(blocks_of([2.0] * 9, [0.5] * 9)) == ["decided", "decided"]


def test_what_is_decided_stays_so():
    blocks = blocks_of([2.0] * 9 + [0.5] * 2, EVEN[:11])
    assert words(blocks)[0] == "decided"
    assert judge(blocks, CONTRASTS, RULE)[0].verdict == "faster"


def test_misses_decide_too():
    blocks = blocks_of([None] * 9, EVEN[:9])
    assert words(blocks)[0] == "decided"
    assert judge(blocks, CONTRASTS, RULE)[0].ratio is None


def test_equal_times_are_decided_as_no_material_difference():
    blocks = blocks_of([1.001, 0.999] * 4, EVEN[:8])
    assert words(blocks) == ["decided", "open"]
    assert judge(blocks, CONTRASTS, RULE)[0].verdict == "no material difference"


def test_an_arm_that_can_hardly_be_decided_in_time_is_futile():
    blocks = blocks_of([1.5] * 8, EVEN[:8])
    assert words(blocks, planned=40) == ["open", "open"]
    assert words(blocks, planned=12) == ["open", "futile"]
    assert words(blocks, planned=8) == ["futile", "futile"]
    assert words(blocks) == ["open", "open"]


def test_nothing_is_futile_before_the_first_block_unless_the_plan_is_too_short():
    assert words([], planned=10) == ["open", "open"]
    assert words([], planned=5) == ["futile", "futile"]


def test_the_check_of_equal_arms_runs_as_long_as_any_other():
    contrasts = [*CONTRASTS, AGAIN]
    assert words(blocks_of([2.0] * 9, EVEN[:9]), contrasts) == ["decided", "open", "open"]
    assert words(blocks_of([2.0] * 9, [2.0] * 9), contrasts) == ["decided", "decided", "decided"]
    assert words(blocks_of(EVEN[:9], EVEN[:9]), [AGAIN]) == ["decided"]  # within 2 %


def test_an_arm_that_was_dropped_keeps_its_verdict():
    blocks = blocks_of([2.0] * 9 + EVEN[:5], EVEN[:14])
    dropped = [{name: one for name, one in block.items() if name != "full - norm"} for block in blocks[9:]]
    assert judge(blocks[:9] + dropped, CONTRASTS, RULE)[0] == judge(blocks[:9], CONTRASTS, RULE)[0]


@pytest.mark.parametrize("rule", [Rule(), RULE])
def test_looking_is_always_paid_for(rule):
    blocks = blocks_of([2.0] * 8, EVEN[:8])
    assert judge(blocks, CONTRASTS, Rule())[0].verdict == "faster"
    assert progress(blocks, CONTRASTS, rule)[CONTRASTS[0]] == "open"
