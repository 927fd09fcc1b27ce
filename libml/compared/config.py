"""What the compared methods' configs share."""

import dataclasses
from typing import ClassVar

from libml.errors import UserError
from libml.layers.resample import ilog2
from libml.training.config import PINNED, RunConfig, option
from libml.training.schedule import KIMG, Phase, Schedule


@dataclasses.dataclass(frozen=True)
class ComparedConfig(RunConfig):
    """Parameters that the compared methods share."""

    positive: ClassVar[tuple[str, ...]] = ()  # fields of a method that must be above 0

    total_kimg: int = option(16384, "Length of the run in 1024 images.", PINNED)

    def validate(self) -> None:
        """Raises UserError for the first parameter that is not valid."""
        super().validate()
        for name in ("total_kimg", *self.positive):
            if getattr(self, name) <= 0:
                raise UserError(f"--{name}={getattr(self, name)} must be positive")

    def schedule(self) -> Schedule:
        """One phase, at full size."""
        return Schedule((Phase(0, self.total_kimg * KIMG, ilog2(self.scale), ilog2(self.scale)),))

    def learning_rate(self, nimg: int) -> float:
        """The learning rate at image nimg; constant unless a method says otherwise."""
        return self.lr


def decayed(lr: float, lr_decay: float, nimg: int, total: int) -> float:
    """The rate of a run of `total` images at image nimg: lr in its first half, times lr_decay over its second.

    The decay is exponential and continuous in images seen: lr * lr_decay^((nimg - half) / half) from half = total / 2.
    """
    half = total / 2
    return lr * lr_decay ** max(0.0, (nimg - half) / half)
