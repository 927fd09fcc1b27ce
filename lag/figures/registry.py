"""The figures by name: each is one row of FIGURES, whose module is imported when the figure is asked for."""

import importlib
import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:  # it imports NumPy, which --help need not wait for
    from libml.page import Figure


class Kind(NamedTuple):
    """A figure that scripts/figures.py draws."""

    place: str  # module of lag/figures, and its function, which takes what it needs of what make() is given
    foreign: bool = False  # whether it shows inputs of another dataset than the run's
    moves: bool = False  # whether it is an animation: its function returns a list of figures


FIGURES = {
    "candidates": Kind("paper:candidates"),
    "mirror": Kind("paper:mirror"),
    "cross": Kind("paper:candidates", foreign=True),
    "noise": Kind("paper:noise"),
    "progress": Kind("paper:progress"),
    "walk": Kind("walk:walk", moves=True),
}


def make(name: str, **given: Any) -> "list[Figure]":
    """A figure, or the frames of an animation.

    Args:
        name: one of FIGURES.
        given: run, sampler, inputs, columns, frames, noise, seed, batch and title, as scripts/figures.py has them.
    """
    module, _, function = FIGURES[name].place.partition(":")
    draws = getattr(importlib.import_module(f"lag.figures.{module}"), function)
    made = draws(**{parameter: given[parameter] for parameter in inspect.signature(draws).parameters})
    return made if FIGURES[name].moves else [made]
