"""What fastrun uses of Optuna that Optuna does not document as public, with a fallback for when it is gone.

A trial that was handed out before a search was stopped is taken up again by a new ``Trial`` object for the same
number, as ``Study.ask`` makes one. That takes the trial's id, which a frozen trial has as ``_trial_id``. Where it is
gone, the trial is marked as failed, and a new one takes its place.
"""

from __future__ import annotations

import optuna
from optuna.trial import FrozenTrial, Trial, TrialState


def resume_trial(study: optuna.Study, frozen: FrozenTrial) -> Trial | None:
    """Return a trial of a study that was handed out before; None where it cannot be taken up again.

    Args:
        study: the study.
        frozen: the trial, not finished.
    """
    number = getattr(frozen, "_trial_id", None)
    if number is None:
        study.tell(frozen.number, state=TrialState.FAIL)
        return None
    return Trial(study, number)
