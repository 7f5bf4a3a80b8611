import pytest
from scipy import stats

from fastrun.study.verdict import sign_test


def test_the_p_value_is_that_of_scipy():
    for blocks in range(1, 20):
        for wins in range(blocks + 1):
            assert sign_test.p_value(wins, blocks) == pytest.approx(stats.binomtest(wins, blocks).pvalue)


def test_no_blocks_reject_nothing():
    assert sign_test.p_value(0, 0) == 1
