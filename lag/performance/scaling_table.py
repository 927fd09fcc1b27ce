"""The model of many GPUs as a table: sizes of LAG by numbers of GPUs."""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any

from lag.config import LAGConfig
from lag.model import costs
from lag.performance import scaling
from lag.performance.sizes import SCALE, SIZES


def rows(
    rates: dict[str, float | None],
    gpus: Sequence[int],
    hardware: scaling.Hardware,
    operations: float,
    per_gpu: int,
    fixed: int,
) -> list[dict[str, Any]]:
    """Two rows for each size and number of GPUs: of a batch that grows with their number, and of one that does not.

    Args:
        rates: size -> images a second that one GPU trains on; None: what follows from `operations`.
        gpus: how many.
        hardware: all but how fast a GPU is.
        operations: a second that one GPU reaches in a step.
        per_gpu: images a GPU of a batch that grows.
        fixed: images of a batch that does not.
    """
    found = []
    for size, rate in rates.items():
        side, options = SIZES[size]
        config = LAGConfig(scale=SCALE, **options)
        of_size = dataclasses.replace(hardware, images=rate or operations / costs.step_operations(config, 3, side))
        gradients = 4 * sum(costs.weights(config, 3))
        one = scaling.step(of_size, 1, per_gpu, gradients)
        for count, batch in itertools.chain.from_iterable(((n, per_gpu), (n, fixed / n)) for n in gpus):
            step = scaling.step(of_size, count, batch, gradients)
            found.append(
                {
                    "size": size,
                    "gradients, MB": gradients / 1e6,
                    "GPUs": count,
                    "images a GPU": batch,
                    "images/s": step.rate,
                    "times one GPU": step.rate / one.rate,
                    "sending": f"{step.lost_to_sending:.0%}",
                    "waiting for images": f"{step.lost_to_reading:.0%}",
                    "images a GPU for 90 %": math.ceil(scaling.least_batch(of_size, count, gradients, 0.9)),
                }
            )
    return found
