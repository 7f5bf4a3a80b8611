"""Random crops of padded images, and mirroring. Source: He et al. 2016, section 4.2 (pad 4, crop 32, flip)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from fastrun.augment.flip import Flip
from fastrun.errors import ConfigError


class CropFlip:
    """Shift each image by up to ``pad`` pixels each way, zeros coming in; mirror it with probability ``flip``.

    Without ``pad`` it is an eighth of the image's height: 4 of 32, as in the paper.
    """

    def __init__(self, in_shape: tuple[int, ...], pad: int | None = None, flip: float = 0.5) -> None:
        if pad is not None and pad < 0:
            raise ConfigError(f"augment.pad={pad} is too small", "the least is 0")
        self.pad = in_shape[-2] // 8 if pad is None else pad
        self.flip = Flip(flip)

    def draw(self, count: int, random: torch.Generator) -> Tensor:
        """Return ``[count, 3]``: row and column of the crop, and whether to mirror."""
        offsets = torch.randint(2 * self.pad + 1, (count, 2), generator=random)
        return torch.column_stack([offsets, self.flip.draw(count, random)])

    def __call__(self, x: Tensor, draws: Tensor) -> Tensor:
        """Return the batch, cropped to its own size."""
        height, width = x.shape[-2:]
        padded = pad(x, [self.pad] * 4)
        windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # [batch, channels, rows, columns, height, width]
        cropped = windows[torch.arange(len(x), device=x.device), :, draws[:, 0], draws[:, 1]]
        return self.flip(cropped, draws[:, 2].bool())
