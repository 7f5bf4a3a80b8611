import json
import math
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastrun.study.verdict.contrast import Contrast
from fastrun.study.verdict.judge import Rule, judge, least_blocks
from fastrun.study.verdict.observation import Observation

RULE = Rule()
NORM = Contrast("norm", "without", "full - norm", "full")
MISS = None


def block(arm, baseline=1000.0, seconds=0.01, baseline_seconds=0.01, name="norm"):
    return {f"full - {name}": Observation(arm, seconds), "full": Observation(baseline, baseline_seconds)}


def one(blocks, contrast=NORM, rule=RULE):
    (verdict,) = judge(blocks, [contrast], rule)
    return verdict


def test_an_arm_that_takes_longer_without_the_heuristic_shows_that_it_is_faster():
    verdict = one([block(steps) for steps in (1900, 1800, 2000, 1950, 1850, 2100)])
    assert verdict.verdict == "faster"
    assert verdict.ratio == pytest.approx(1.92, abs=0.02)
    assert verdict.low == pytest.approx(1.8)  # six blocks: from the least to the largest
    assert verdict.high == pytest.approx(2.1)
    assert verdict.p == verdict.p_adjusted == 2 / 64
    assert verdict.steps_ratio == pytest.approx(1.925)
    assert verdict.seconds_ratio == 1
    assert (verdict.reached, verdict.reached_baseline, verdict.probability_faster) == (1, 1, 1)
    assert (verdict.blocks, verdict.more_blocks) == (6, None)


def test_an_added_heuristic_is_on_the_other_side():
    added = Contrast("norm", "added", "plain + norm", "plain")
    blocks = [{"plain + norm": Observation(s, 0.02), "plain": Observation(4000, 0.01)} for s in range(1000, 1006)]
    verdict = one(blocks, added)
    assert verdict.verdict == "faster"
    assert verdict.ratio == pytest.approx(2, rel=0.01)
    assert verdict.steps_ratio == pytest.approx(4, rel=0.01)
    assert verdict.seconds_ratio == 0.5


def test_five_blocks_decide_nothing_and_say_that_one_more_would():
    verdict = one([block(2000 + i) for i in range(5)])
    assert (verdict.verdict, verdict.low, verdict.high, verdict.more_blocks) == ("undecided", None, None, 1)
    assert verdict.p == 2 / 32


@pytest.mark.parametrize(("contrasts", "blocks"), [(0, 6), (1, 6), (2, 7), (8, 9), (12, 9), (13, 10)])
def test_the_least_blocks_grow_with_the_contrasts(contrasts, blocks):
    assert least_blocks(contrasts) == blocks


def test_a_study_that_is_looked_at_needs_more_blocks():
    assert least_blocks(1, sequential=True) == 8  # 2^8 / 9 is the first above 20
    assert least_blocks(8, sequential=True) == 11
    assert least_blocks(1, confidence=0.99) == 8


def test_equal_times_are_no_material_difference():
    verdict = one([block(1000) for _ in range(6)])
    assert verdict.verdict == "no material difference"
    assert (verdict.ratio, verdict.low, verdict.high, verdict.p) == (1, 1, 1, 1)
    assert (verdict.steps_ratio, verdict.seconds_ratio, verdict.probability_faster) == (1, 1, 0.5)


def test_the_same_steps_leave_the_seconds_alone():
    verdict = one([block(1000, seconds=0.01 * (1.1 + 0.001 * i)) for i in range(6)])
    assert verdict.steps_ratio == 1
    assert verdict.ratio == pytest.approx(verdict.seconds_ratio)
    assert verdict.verdict == "faster"


def test_a_difference_too_small_to_matter_is_none_even_if_it_is_certain():
    verdict = one([block(1000, seconds=0.01 * (1.01 + 0.0001 * i)) for i in range(9)])
    assert verdict.low > 1
    assert verdict.verdict == "no material difference"


def test_one_block_has_a_ratio_and_no_interval():
    verdict = one([block(1500)])
    assert verdict.ratio == pytest.approx(1.5)
    assert (verdict.low, verdict.high, verdict.p, verdict.verdict) == (None, None, 1, "undecided")
    assert verdict.more_blocks == 5


@pytest.mark.parametrize("sequential", [False, True])
def test_no_blocks_say_nothing(sequential):
    verdict = one([], rule=Rule(sequential=sequential))
    assert (verdict.verdict, verdict.ratio, verdict.p, verdict.blocks) == ("undecided", None, 1, 0)
    assert (verdict.reached, verdict.reached_baseline, verdict.probability_faster) == (0, 0, 0.5)
    assert verdict.more_blocks == least_blocks(1, sequential=sequential)
    assert judge([], [], Rule(sequential=sequential)) == []


def test_blocks_without_an_arm_do_not_count():
    blocks = [block(2000 + i) for i in range(6)]
    assert one([*blocks, {"full": Observation(1000, 0.01)}]) == one(blocks)


@pytest.mark.parametrize("steps", [0, -1, math.nan, math.inf])
def test_numbers_that_cannot_be_measured_are_refused(steps):
    with pytest.raises(ValueError, match="steps must be finite and above 0"):
        Observation(steps, 0.01)
    with pytest.raises(ValueError, match="seconds must be finite and above 0"):
        Observation(1000, steps)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="without, added or same, not 'with'"):
        Contrast("norm", "with", "a", "b")


def test_the_interval_and_the_adjusted_p_agree_on_every_contrast():
    contrasts = [Contrast(name, "without", f"full - {name}", "full") for name in "abcdefgh"]
    steps = {
        name: [1000 * (1 + 0.03 * rank) + 31 * ((7 * rank + i * i) % 5) - 60 for i in range(9)]
        for rank, name in enumerate("abcdefgh")
    }
    blocks = [
        {"full": Observation(1000, 0.01)} | {f"full - {name}": Observation(steps[name][i], 0.01) for name in steps}
        for i in range(9)
    ]
    verdicts = judge(blocks, contrasts, RULE)
    for verdict in verdicts:
        assert (verdict.p_adjusted <= 0.05) == (verdict.low > 1 or verdict.high < 1)
        assert verdict.p_adjusted >= verdict.p
    assert {verdict.verdict for verdict in verdicts} >= {"faster", "undecided"}


def test_the_check_of_equal_arms_costs_the_claims_nothing():
    again = Contrast("", "same", "full again", "full")
    blocks = [block(2000 + i) | {"full again": Observation(1000 + 10 * (-1) ** i, 0.01)} for i in range(6)]
    verdict, same = judge(blocks, [NORM, again], RULE)
    assert verdict.verdict == "faster"
    assert same.p_adjusted == same.p
    assert same.low < 1 < same.high


# Misses


TWICE = 1900, 1800, 2000, 1950, 1850, 1900, 2000, 1800, 1870


def test_a_miss_is_a_loss_and_leaves_an_end_open():
    verdict = one([block(steps) for steps in (*TWICE, MISS)])
    assert verdict.verdict == "faster"
    assert 1.8 <= verdict.low <= verdict.ratio < 2
    assert verdict.high is None
    assert verdict.reached == 0.9
    assert verdict.probability_faster == 1


def test_a_miss_does_not_narrow_the_interval_of_the_runs_that_get_there():
    assert one([block(steps) for steps in (*TWICE, MISS)]).low == one([block(steps) for steps in TWICE]).low


def test_what_losses_by_misses_decide_alone_has_no_ratio():
    verdict = one([block(steps) for steps in (1900, 1800, 2000, 1950, 1850, MISS)])
    assert (verdict.verdict, verdict.p) == ("faster", 2 / 64)
    assert (verdict.ratio, verdict.low, verdict.high) == (None, None, None)  # five blocks have no interval


def test_a_miss_counts_as_much_as_the_cap_allows():
    blocks = [block(steps) for steps in (*TWICE, MISS)]
    assert one(blocks, rule=Rule(cap_steps=1200)).low == pytest.approx(1.5, abs=0.05)
    assert one(blocks, rule=Rule(cap_steps=3000)).low == one(blocks).low


def test_a_miss_of_an_arm_with_shorter_steps_is_no_loss_before_it_has_taken_as_long():
    blocks = [block(MISS, seconds=0.002) for _ in range(6)]
    assert one(blocks).probability_faster == 1
    assert one(blocks, rule=Rule(cap_steps=3000)).probability_faster == 0.5  # 6 seconds at least, beside 10
    assert one(blocks, rule=Rule(cap_steps=6000)).probability_faster == 1


def test_both_missing_is_a_tie_that_leaves_the_ratio_alone():
    blocks = [block(steps) for steps in (1900, 1800, 2000, 1950, 1850, 2100)]
    verdict, without = one([*blocks, block(MISS, MISS)]), one(blocks)
    assert (verdict.ratio, verdict.low, verdict.high, verdict.p) == (
        without.ratio,
        without.low,
        without.high,
        without.p,
    )
    assert verdict.probability_faster == pytest.approx(6.5 / 7)
    assert (verdict.blocks, verdict.reached, verdict.reached_baseline) == (
        7,
        pytest.approx(6 / 7),
        pytest.approx(6 / 7),
    )


def test_above_a_fifth_of_misses_only_wins_are_counted():
    verdict = one([block(steps) for steps in (1900, MISS, MISS, MISS, 1850, MISS)])
    assert (verdict.ratio, verdict.low, verdict.high, verdict.steps_ratio) == (None, None, None, None)
    assert (verdict.verdict, verdict.p) == ("faster", 2 / 64)
    assert (verdict.reached, verdict.probability_faster) == (pytest.approx(2 / 6), 1)


def test_a_baseline_that_misses_shows_that_the_heuristic_is_slower():
    verdict = one([block(1000, MISS) for _ in range(6)])
    assert (verdict.verdict, verdict.reached, verdict.reached_baseline) == ("slower", 1, 0)


def test_nothing_is_known_where_every_run_misses():
    verdict = one([block(MISS, MISS) for _ in range(9)])
    assert (verdict.verdict, verdict.p, verdict.probability_faster, verdict.more_blocks) == ("undecided", 1, 0.5, None)


# More blocks


def test_a_clear_difference_needs_few_more_blocks_and_a_faint_one_many():
    clear = one([block(steps) for steps in (1200, 1150, 1000, 1250, 1100, 980, 1180)])
    faint = one([block(steps) for steps in (1200, 850, 1000, 1250, 900, 980, 1030)])
    assert clear.verdict == faint.verdict == "undecided"
    assert 1 <= clear.more_blocks <= 5
    assert faint.more_blocks is None or faint.more_blocks > 20


@pytest.mark.parametrize("sequential", [False, True])
def test_blocks_that_chance_gives_as_well_do_not_tell_how_many_more_it_takes(sequential):
    verdict = one([block(steps) for steps in (1500, 1700, 900, 1400, 650, 1200)], rule=Rule(sequential=sequential))
    assert verdict.verdict == "undecided"
    assert verdict.p > 0.3
    assert verdict.more_blocks is None
    agreeing = one([block(steps) for steps in (1500, 1700)], rule=Rule(sequential=sequential))
    assert agreeing.more_blocks is not None


def test_even_wins_are_not_decided_by_more_blocks():
    assert one([block(*pair) for pair in [(MISS, 1000), (1000, MISS)] * 4]).more_blocks is None
    assert one([block(MISS) for _ in range(4)]).more_blocks == 2


# Properties

steps = st.floats(300, 3000)
paired = st.tuples(steps | st.none(), steps | st.none(), st.floats(0.005, 0.02), st.floats(0.005, 0.02))


@given(st.lists(paired, max_size=14), st.booleans())
def test_swapping_the_arms_turns_the_ratio_over(blocks, sequential):
    rule = Rule(sequential=sequential)
    there = one([block(a, b, s, t) for a, b, s, t in blocks], rule=rule)
    back = one([block(b, a, t, s) for a, b, s, t in blocks], rule=rule)
    turned = {"faster": "slower", "slower": "faster"}
    assert back.verdict == turned.get(there.verdict, there.verdict)
    assert back.p == pytest.approx(there.p)
    assert back.probability_faster == pytest.approx(1 - there.probability_faster)
    assert back.more_blocks == there.more_blocks
    assert (there.low is None) == (back.high is None)
    if there.low is not None:
        assert back.high == pytest.approx(1 / there.low)
    if there.ratio is not None:
        assert back.ratio == pytest.approx(1 / there.ratio)


@given(st.lists(paired, max_size=14), st.sampled_from([0.25, 8, 1024]), st.booleans())
def test_the_unit_of_time_does_not_matter(blocks, unit, sequential):
    rule = Rule(sequential=sequential)
    there = asdict(one([block(a, b, s, t) for a, b, s, t in blocks], rule=rule))
    scaled = asdict(one([block(a, b, s * unit, t * unit) for a, b, s, t in blocks], rule=rule))
    for key, value in there.items():
        assert scaled[key] == (pytest.approx(value) if isinstance(value, float) else value), key


@given(st.lists(paired, max_size=14), st.booleans())
def test_a_verdict_is_consistent(blocks, sequential):
    verdict = one([block(a, b, s, t) for a, b, s, t in blocks], rule=Rule(sequential=sequential))
    low, high = verdict.low or 0, verdict.high or math.inf
    assert low <= high
    assert 0 < verdict.p <= verdict.p_adjusted <= 1
    if verdict.ratio is not None and not sequential:
        assert low * (1 - 1e-9) <= verdict.ratio <= high * (1 + 1e-9)
    if verdict.verdict in ("faster", "slower"):
        assert verdict.p_adjusted <= 0.05
        assert verdict.ratio is None or not low <= 1 <= high
    assert (verdict.more_blocks is None) or (verdict.verdict == "undecided" and verdict.more_blocks > 0)
    assert json.loads(json.dumps(asdict(verdict), allow_nan=False)) == asdict(verdict)


@given(st.lists(paired, min_size=1, max_size=12), st.data())
def test_taking_longer_without_the_heuristic_never_speaks_against_it(blocks, data):
    index = data.draw(st.integers(0, len(blocks) - 1))
    a, b, s, t = blocks[index]
    longer = [*blocks[:index], (None if a is None else a * 1.5, b, s, t), *blocks[index + 1 :]]
    before, after = ([block(*x) for x in blocks], [block(*x) for x in longer])
    first, second = one(before), one(after)
    assert second.probability_faster >= first.probability_faster
    assert (second.low or 0) >= (first.low or 0) * (1 - 1e-9)
    assert (second.high or math.inf) >= (first.high or math.inf) * (1 - 1e-9)


def test_a_rule_can_be_stored():
    assert Rule(**asdict(replace(RULE, sequential=True))) == Rule(sequential=True)
