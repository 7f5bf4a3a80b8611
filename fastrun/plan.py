"""The steps of a run: where epochs end, where it validates and saves, and how many steps one call may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Plan:
    """Marks on the line of optimizer steps; step ``n`` means: after n steps. A budget of time moves ``total_steps``."""

    steps_per_epoch: int
    total_steps: int
    val_every: int
    save_every: int  # 0: never
    release: int = 0  # where a frozen body begins to train

    @property
    def epochs(self) -> int:
        """Return the epochs of the run, the last one perhaps not whole."""
        return -(-self.total_steps // self.steps_per_epoch)

    def stop_of(self, start: int, count: int) -> int:
        """Return where a call that starts at ``start`` and wants ``count`` steps must end: at the next mark at most."""
        marks = [every for every in (self.steps_per_epoch, self.val_every, self.save_every) if every]
        ends = [start - start % every + every for every in marks]
        if start < self.release:
            ends.append(self.release)
        return min(start + count, self.total_steps, *ends)

    def validates(self, step: int) -> bool:
        """Say whether the run validates after ``step`` steps."""
        return step % self.val_every == 0 or step == self.total_steps

    def saves(self, step: int) -> bool:
        """Say whether a checkpoint is due after ``step`` steps."""
        return self.save_every > 0 and (step % self.save_every == 0 or step == self.total_steps)

    def ends_epoch(self, step: int) -> bool:
        """Say whether an epoch is over after ``step`` steps."""
        return step % self.steps_per_epoch == 0 or step == self.total_steps
