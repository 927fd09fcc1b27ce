"""Where the time of a training step goes on a CPU, operation by operation, from TensorFlow's profiler."""

import re
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from lag.config import LAGConfig
from lag.model import costs
from libml.layers.fast.convolution import GRADIENT, SPREAD
from libml.layers.fast.weights_gradient import OVER_BATCH

OWN_LINE = 0.01  # of the time, for an operation to be shown on its own
WAITING, OTHERS, COMPILED = "no operation", "other operations", "compiled by XLA"


class Operation(NamedTuple):
    """One run of one operation."""

    group: str
    start: int  # in units of the profiler
    stop: int


class Row(NamedTuple):
    """A group of operations in a table of where time goes."""

    group: str
    share: float  # of the time of all cores
    at_peak: float  # what its arithmetic would take at the rate of a large convolution, as a share of the same
    calls: float  # a step


def group(name: str, kind: str) -> str:
    """What an operation is shown as: its type, or a convolution's network and purpose, from its name in the graph."""
    network = re.search(r"(generator|projection)_", name)
    product = kind.endswith("MatMul") and f"/{SPREAD}" not in name  # of a kernel's taps
    if not ("Conv2D" in kind or product) or not network:
        return kind.removeprefix("_MklNative").removeprefix("_Mkl")
    letter = {"generator": "G", "projection": "P"}[network[1]]
    if "BackpropFilter" in kind or f"/{OVER_BATCH}" in name or product:  # the networks have no other products
        return f"{letter}, weight gradients"
    # The penalty's second derivative runs the convolutions forward once more.
    forward = not name.startswith(f"{GRADIENT}/") or name.startswith(f"{GRADIENT}/{GRADIENT}/")
    return f"{letter}, forward" if forward else f"{letter}, input gradients"


def operations(calls: Sequence[Callable[[], None]]) -> list[Operation]:
    """Every operation that runs on the CPU during some calls."""
    with tempfile.TemporaryDirectory() as folder:
        options = tf.profiler.experimental.ProfilerOptions(2, python_tracer_level=0, device_tracer_level=0)
        with tf.profiler.experimental.Profile(folder, options):
            for call in calls:
                call()
        (path,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    found = []
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                shown = _event_group(plane, event)
                if shown:
                    start = line.timestamp_ns * 1000 + event.offset_ps
                    found.append(Operation(shown, start, start + event.duration_ps))
    return found


def _event_group(plane: xplane_pb2.XPlane, event: xplane_pb2.XEvent) -> str | None:
    """What an event is shown as; None if it is no operation."""
    if any(plane.stat_metadata[stat.metadata_id].name == "hlo_op" for stat in event.stats):
        return COMPILED
    name, _, kind = plane.event_metadata[event.metadata_id].name.rpartition(":")
    # Other names are no operations of a graph: Class::Method, a function and its arguments.
    graph = name and not name.endswith(":") and kind.isidentifier() and not kind.startswith("__")
    return group(name, kind) if graph else None


def attribute(found: Sequence[Operation], at_once: int) -> dict[str, float]:
    """Each group's share of the time from the first operation's start to the last one's stop, and WAITING's.

    Args:
        found: the operations.
        at_once: how many it takes to keep all cores busy; where more run they share the time between them.
    """
    changes = sorted([(op.start, 1, op.group) for op in found] + [(op.stop, -1, op.group) for op in found])
    times, running, before = Counter(), Counter(), changes[0][0]
    for now, change, name in changes:
        passed, count = now - before, running.total()
        for other, n in running.items():
            times[other] += passed * n / max(at_once, count)
        times[WAITING] += passed * max(0, at_once - count) / at_once
        running[name] += change
        before = now
    total = before - changes[0][0]
    return {name: time / total for name, time in times.items()}


def executed(config: LAGConfig, colors: int, size: int) -> dict[str, int]:
    """Multiply-adds of an image's step of the last phase as it is done here, by group of convolutions.

    Without --remat, which computes more, and without products with the zeros around images and in blocks of colours.
    Gradients for y, z and real images, which nothing asks for, are counted too: half a percent at
    size S of scripts/benchmark_step.py.
    """
    g, p = (count(config, colors, size) for count in (costs.generator_multiply_adds, costs.projection_multiply_adds))
    g -= costs.upscaled_savings(config, size)
    return {
        "G, forward": 2 * g,
        "G, input gradients": 2 * g,
        "G, weight gradients": 2 * g,
        "P, forward": 5 * p,  # real, fake, fake_z, mixed, and the penalty's second derivative
        "P, input gradients": 4 * p,  # for weights below and images; of mixed, for the slope
        "P, weight gradients": 3 * p,  # real, fake_z, mixed
    }


def breakdown(
    call: Callable[[], None], calls: int, at_once: int, multiply_adds: dict[str, int], images: int, peak: float
) -> list[Row]:
    """Where the time of a step goes, the largest share first.

    Args:
        call: one step, waited for and not the first.
        calls: how many to look at.
        at_once: operations that it takes to keep all cores busy.
        multiply_adds: an image's, by group.
        images: a step.
        peak: operations a second of a large convolution, a multiply-add being two.
    """
    found = operations([call] * calls)
    shares, counts = attribute(found, at_once), Counter(op.group for op in found)
    seconds = (max(op.stop for op in found) - min(op.start for op in found)) / 1e12 / calls
    small = [name for name, share in shares.items() if share < OWN_LINE and name not in (*multiply_adds, WAITING)]
    shares[OTHERS], counts[OTHERS] = sum(shares.pop(name) for name in small), sum(counts.pop(name) for name in small)
    rows = [
        Row(name, share, 2 * multiply_adds.get(name, 0) * images / peak / seconds, counts[name] / calls)
        for name, share in shares.items()
    ]
    return sorted(rows, key=lambda row: -row.share)
