from fastrun.components.checkpoint.timer import SaveTimer


def test_a_save_is_due_after_the_minutes_since_the_last_one():
    clock = iter([100.0, 100.0, 219.9, 220.0, 300.0, 300.0, 301.0, 419.9, 420.0])
    timer = SaveTimer(2, clock=lambda: next(clock))
    assert [timer.is_due() for _ in range(4)] == [False, False, True, True]
    timer.restart()
    assert [timer.is_due() for _ in range(3)] == [False, False, True]


def test_without_minutes_no_save_is_ever_due():
    clock = iter([0.0, 1e9])
    assert not SaveTimer(None, clock=lambda: next(clock)).is_due()
