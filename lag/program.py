"""What lag.py does with a config: train, test memory, or describe."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from lag import sampling
from lag.config import LAGConfig
from lag.formats.saved_model import export_at_end
from lag.model import costs
from lag.model.training import LAG
from lag.performance.memory import estimate_bytes
from libml.datasets.catalogue import Dataset, lookup, lookup_fitting
from libml.layers.resample import DOWNSCALERS
from libml.system.devices import Devices, make_devices, peak_memory
from libml.training import program
from libml.training.schedule import Phase


def describe(model: LAG) -> str:
    """Weights of G, P and, where there is one, E per stage."""
    symbols, networks = {"generator": "G", "projection": "P", "encoder": "E"}, model.networks.trained
    lines = [f"{'stage':<7}{'size':>8}" + "".join(f"{'weights of ' + symbols[name]:>14}" for name in networks)]
    totals = [0] * len(networks)
    for k in range(model.config.lods + 1):
        counts = [sum(int(np.prod(v.shape)) for v in network.stage_variables(k)) for network in networks.values()]
        totals = [a + b for a, b in zip(totals, counts, strict=True)]
        lines.append(f"{k:<7}{f'{2**k}x':>8}" + "".join(f"{count:>14,}" for count in counts))
    return "\n".join([*lines, f"{'all':<7}{'':>8}" + "".join(f"{count:>14,}" for count in totals)])


def _builder(config: LAGConfig) -> program.Build:
    def build(dataset: Dataset, devices: Devices) -> tuple[LAG, Callable[[Phase, int], sampling.Sampler]]:
        model = LAG(config, dataset.colors, devices.strategy, devices.workers)
        return model, sampling.PhaseSamplers(model)

    return build


def dry_run(config: LAGConfig, folder: Path, data_dir: str, devices: dict[str, Any]) -> None:
    """Prints the run's folder, phases, parameters, memory, length and time; writes nothing.

    Args:
        config: the run's parameters.
        folder: where it would live.
        data_dir: folder of the datasets.
        devices: arguments of make_devices; other machines are not waited for.
    """
    dataset = lookup_fitting(config.dataset, data_dir, config.scale, config.downscaler)

    def with_memory(model: LAG) -> str:
        estimate = estimate_bytes(model, dataset.size, config.batch) / 2**30
        memory = f"memory of the last phase at batch {config.batch}: about {estimate:.2f} GiB on one device"
        return f"{describe(model)}\n\n{memory}"

    def operations(model: LAG, phase: Phase) -> int:
        return costs.step_operations(config, dataset.colors, dataset.size, phase.lod_stop)

    program.dry_run(config, folder, dataset, devices, _builder(config), with_memory, operations)


def device_needs(config: LAGConfig, data_dir: str) -> dict[str, Any]:
    """What a run asks of make_devices: the precision, and on CPUs few cores an operation where steps are small."""
    dataset = lookup(config.dataset, data_dir)
    threads = costs.plan(config, dataset.colors, dataset.size).threads_per_op
    return {"precision": config.precision, "threads_per_op": threads}


def memtest(config: LAGConfig, data_dir: str, devices: dict[str, Any]) -> None:
    """Trains three steps of the last two phases on noise; prints the peak. Writes nothing."""
    dataset = lookup_fitting(config.dataset, data_dir, config.scale, config.downscaler)
    model = LAG(config, dataset.colors, make_devices(config.batch, **devices).strategy)
    hires = tf.random.stateless_uniform([config.batch, dataset.size, dataset.size, dataset.colors], [0, 0], -1.0, 1.0)
    batch = (DOWNSCALERS[config.downscaler](hires, config.scale), hires)
    for phase in config.schedule().phases[-2:]:
        for step in range(3):
            model.train_step(batch, phase, phase.nimg_start + step)
        model.meters.means()  # waits for the device
        peaks = ", ".join(
            f"{peak:.2f} GiB {'of' if place == 'RAM' else 'on'} {place}" for place, peak in peak_memory().items()
        )
        print(f"[{phase}] fits at batch {config.batch}; peak so far {peaks}")


def train_and_export(
    config: LAGConfig,
    folder: Path,
    device_options: dict[str, Any] | None = None,
    *,
    data_dir: str,
    reset: bool = False,
    export: bool = True,
    skip_bad_records: bool = False,
) -> None:
    """Trains a run, or goes on with it.

    Args:
        config: its parameters.
        folder: where it lives.
        device_options: arguments of make_devices.
        data_dir: folder of the datasets.
        reset: forget what the folder holds and start over.
        export: write a SavedModel into the folder at the end.
        skip_bad_records: leave out records that cannot be read, and count them.
    """
    options = {"data_dir": data_dir, "reset": reset, "skip_bad_records": skip_bad_records}
    devices = program.train_on_dataset(config, folder, device_options, _builder(config), describe, **options)
    if export and devices.is_chief:
        export_at_end(folder)
