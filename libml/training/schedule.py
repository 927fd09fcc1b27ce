"""Progressive growing as a pure function of images seen (nimg). 1 kimg = 1024 images; lod = level of detail."""

import dataclasses
from typing import Any

from libml.errors import UserError

KIMG = 1024


@dataclasses.dataclass(frozen=True)
class Level:
    """A level of detail: the stages up to `stop` are in use, and stage `stop` is faded in where `start` is below it."""

    start: int
    stop: int
    lod: Any  # from start to stop; a float, or a float32 scalar of a graph

    @property
    def fade(self) -> Any:
        """The weight of stage `stop`, lod - start, while it is faded in; None outside a transition."""
        return None if self.start == self.stop else self.lod - self.start

    def __tf_flatten__(self) -> tuple[tuple[int, int], tuple[Any]]:
        """What a tf.function is traced for, and what it takes as a tensor."""
        return (self.start, self.stop), (self.lod,)

    @classmethod
    def __tf_unflatten__(cls, levels: tuple[int, int], lod: tuple[Any]) -> "Level":
        """The inverse."""
        return cls(*levels, *lod)


@dataclasses.dataclass(frozen=True)
class Phase:
    """A half-open span [nimg_start, nimg_stop) of training; a transition when the two levels differ."""

    nimg_start: int
    nimg_stop: int
    lod_start: int
    lod_stop: int

    @property
    def is_transition(self) -> bool:
        """Whether stage lod_stop is being faded in."""
        return self.lod_start != self.lod_stop

    def lod(self, nimg: int) -> float:
        """Level of detail at nimg: rises linearly from lod_start to lod_stop in a transition."""
        if not self.is_transition:
            return float(self.lod_stop)
        done = (nimg - self.nimg_start) / (self.nimg_stop - self.nimg_start)
        return self.lod_start + min(max(done, 0.0), 1.0)

    def level(self, nimg: int) -> Level:
        """The levels of the phase, and the level of detail at nimg."""
        return Level(self.lod_start, self.lod_stop, self.lod(nimg))

    def __str__(self) -> str:
        return f"lod {self.lod_start}" + (f" -> {self.lod_stop}" if self.is_transition else "")


@dataclasses.dataclass(frozen=True)
class Schedule:
    """The phases of a run, in order, without gaps."""

    phases: tuple[Phase, ...]

    @property
    def total(self) -> int:
        """Images of the whole run."""
        return self.phases[-1].nimg_stop

    def index(self, nimg: int) -> int:
        """Index of the phase at nimg; at or past the end, the last."""
        return next((i for i, p in enumerate(self.phases) if nimg < p.nimg_stop), len(self.phases) - 1)

    def phase(self, nimg: int) -> Phase:
        """The phase at nimg."""
        return self.phases[self.index(nimg)]


def progressive(lods: int, transition_kimg: int, training_kimg: int, total_kimg: int = 0) -> Schedule:
    """The reference's growth from lod 1 to `lods`.

    For each lod below the last: training_kimg at that lod, then a transition of transition_kimg to the next, either
    left out when 0. Last, training_kimg at the last lod, or what remains up to total_kimg when that is not 0; a
    total_kimg shorter than the growth does not shorten the growth.

    Raises:
        UserError: if nothing is left to train, or a length is negative.
    """
    if min(transition_kimg, training_kimg, total_kimg) < 0:
        raise UserError("--training_kimg, --transition_kimg and --total_kimg cannot be negative")
    phases: list[Phase] = []

    def add(kimg: int, lod_start: int, lod_stop: int) -> None:
        if kimg > 0:
            start = phases[-1].nimg_stop if phases else 0
            phases.append(Phase(start, start + kimg * KIMG, lod_start, lod_stop))

    for lod in range(1, lods):
        add(training_kimg, lod, lod)
        add(transition_kimg, lod, lod + 1)
    grown = phases[-1].nimg_stop // KIMG if phases else 0
    add(total_kimg - grown if total_kimg else training_kimg, lods, lods)
    if not phases:
        raise UserError("nothing to train: --training_kimg, --transition_kimg and --total_kimg leave no images")
    return Schedule(tuple(phases))


def growth_kimg(lods: int, transition_kimg: int, training_kimg: int) -> int:
    """Length of the growth to the last lod, without the phase at it."""
    return (lods - 1) * (transition_kimg + training_kimg)


def shortened(lods: int, transition_kimg: int, training_kimg: int, total_kimg: int) -> tuple[int, int] | None:
    """(transition_kimg, training_kimg) in about the given ratio, whose whole schedule fits into total_kimg.

    A length above 0 stays above 0, down to phases of 1 kimg; None where not even those fit.
    """
    share = total_kimg / (growth_kimg(lods, transition_kimg, training_kimg) + training_kimg)
    fitting = tuple(max(int(n * share), min(n, 1)) for n in (transition_kimg, training_kimg))
    return fitting if growth_kimg(lods, *fitting) <= total_kimg else None


def at_once(lods: int, growing: Schedule) -> Schedule:
    """All stages from the start, for as long as a growing schedule lasts."""
    return Schedule((Phase(0, growing.total, lods, lods),))
