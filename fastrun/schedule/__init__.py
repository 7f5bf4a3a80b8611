"""Learning-rate schedules: each function returns a curve, ``step -> factor`` of the optimizer's learning rate.

``steps`` is the length of the curve in optimizer steps, warmup left out; step 0 is the first one after the warmup.
A curve is a pure function of the step, so a run resumes at any step with nothing to restore.
"""

from collections.abc import Callable

Curve = Callable[[int], float]
