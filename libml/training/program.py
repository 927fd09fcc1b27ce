"""What every training program does around its method: devices, data, the words at the start, and the loop."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from libml.datasets.catalogue import Dataset, lookup_fitting
from libml.datasets.stream import Images
from libml.sampler import CandidateSampler
from libml.system.devices import Devices, make_devices
from libml.training import duration, loop
from libml.training.config import RunConfig
from libml.training.preview import PREVIEW_IMAGES, Preview
from libml.training.schedule import KIMG, Phase, Schedule

Build = Callable[[Dataset, Devices], tuple[loop.Method, Callable[[Phase, int], CandidateSampler]]]
Operations = Callable[[loop.Method, Phase], float]  # of an image's step, or more than they are


def describe_parameters(config: RunConfig) -> str:
    """A table of the parameters that differ from their defaults."""
    rows = [(name, str(value), str(default)) for name, (value, default) in config.changed().items()]
    if not rows:
        return "all parameters are the defaults"
    rows = [("parameter", "value", "default"), *rows]
    widths = [max(len(row[i]) for row in rows) + 2 for i in range(2)]
    return "\n".join(f"{name:<{widths[0]}}{value:<{widths[1]}}{default}".rstrip() for name, value, default in rows)


def describe_phases(schedule: Schedule) -> str:
    """A table of the phases."""
    lines = [f"{'phase':<12}{'kimg from':>10}{'to':>10}{'length':>10}"]
    for p in schedule.phases:
        start, stop = p.nimg_start // KIMG, p.nimg_stop // KIMG
        lines.append(f"{p!s:<12}{start:>10}{stop:>10}{stop - start:>10}")
    return "\n".join(lines)


def dry_run(
    config: RunConfig,
    folder: Path,
    dataset: Dataset,
    device_options: dict[str, Any],
    build: Build,
    describe: Callable[[loop.Method], str],
    operations: Operations,
) -> None:
    """Prints the run's folder, phases, networks, length and time here; writes nothing.

    Args:
        config: the run's parameters.
        folder: where it would live.
        dataset: what it would train on, which fits its parameters.
        device_options: arguments of make_devices; other machines are not waited for.
        build: as of train_on_dataset.
        describe: the method's networks in words.
        operations: how much arithmetic a step is.
    """
    schedule, devices = config.schedule(), make_devices(config.batch, **device_options, join=False)
    print(f"{folder}\n\n{describe_phases(schedule)}\n")
    method, _ = build(dataset, devices)
    print(describe(method))
    print(f"length of the run: {schedule.total / KIMG:g} kimg ({schedule.total:,} images)", flush=True)
    replicas = devices.strategy.num_replicas_in_sync
    of_phase = functools.partial(operations, method)
    seconds = duration.estimate_seconds(method, config, dataset, of_phase, replicas)
    others = ", the other phases follow by their arithmetic" if len(schedule.phases) > 1 else ""
    print(
        f"time here: about {duration.in_words(seconds)} on {replicas} device(s) ({duration.STEPS} steps of the first "
        f"phase were timed{others})"
    )


def train_on_dataset(
    config: RunConfig,
    folder: Path,
    device_options: dict[str, Any] | None,
    build: Build,
    describe: Callable[[loop.Method], str],
    *,
    data_dir: str,
    reset: bool = False,
    skip_bad_records: bool = False,
) -> Devices:
    """Trains a run, or goes on with it.

    Args:
        config: its parameters.
        folder: where it lives.
        device_options: arguments of make_devices.
        build: makes the method and what its previews are made with.
        describe: the method's networks in words.
        data_dir: folder of the datasets.
        reset: forget what the folder holds and start over.
        skip_bad_records: leave out records that cannot be read, and count them.

    Returns:
        The devices that it trained on.
    """
    devices = make_devices(config.batch, **(device_options or {}))
    dataset = lookup_fitting(config.dataset, data_dir, config.scale, config.downscaler)
    config.schedule()  # refuses what leaves nothing to train before anything is made
    images = Images(dataset, data_dir, skip_bad_records)
    images.check()
    preview_images = images.test_images(limit=PREVIEW_IMAGES)
    method, sampler = build(dataset, devices)
    if devices.is_chief:
        replicas = devices.strategy.num_replicas_in_sync
        print(f"{dataset.name}: {sum(images.counts):,} training images; {replicas} device(s)")
        print(describe_parameters(config))
        print(describe(method), flush=True)
    preview, evaluation = Preview(sampler, config, preview_images), None
    if config.eval_kimg and devices.is_chief:
        from libml.training.evaluation import Evaluation  # with much that other trainings need not wait for

        evaluation = Evaluation(sampler, config, images.test_images(limit=config.eval_images))
        evaluation.check(method.schedule.phases[0])
    loop.train(method, config, folder, images, preview, devices, reset=reset, evaluation=evaluation)
    return devices
