"""Measures training steps and the generator of LAG on images of noise: images/s, and the share of the machine's peak.

python scripts/benchmark_step.py --sizes=S,M,L
python scripts/benchmark_step.py --sizes=S --profile
python scripts/benchmark_step.py --sizes=M --compare=precision=float32 --compare=precision=bfloat16
python scripts/benchmark_step.py --sizes=L --inference

The share is 2 (6 G + 15 P) operations an image (G and P: multiply-adds of a pass in the plain formulation) times
images/s, over the rate of a large convolution of the same precision, which takes turns with the steps.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
if __name__ == "__main__":  # before imports that take time, or may be missing
    from libml.system import entry

    entry.begin()

import dataclasses
import json
import math
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from absl import flags

from lag.config import LAGConfig
from lag.performance.sizes import SCALE, SIZES
from libml import app
from libml.errors import UserError
from libml.system import outputs

PROFILE_SECONDS = 3.0  # of steps

FLAGS = flags.FLAGS
flags.DEFINE_list("sizes", ["S", "M", "L"], f"Which of {', '.join(SIZES)}; all at 8x.")
flags.DEFINE_integer("batch", 16, "Images a step.")
flags.DEFINE_string("phase", "", "Levels of detail, as 2 or 1-2 for a transition; by default the last.")
flags.DEFINE_list("set", [], "Parameters of lag.py to change, as precision=bfloat16,jit_compile=true,blocks=4.")
flags.DEFINE_multi_string("compare", [], "Given twice or more: further parameters; the configurations take turns.")
flags.DEFINE_integer("replicas", 1, "Devices to train on; without as many GPUs the CPU is divided.")
flags.DEFINE_integer("threads_per_op", -1, "Cores that an operation may use, 0 for all; by default as lag.py would.")
flags.DEFINE_boolean("inference", False, "Measure the generator and the export's `sample` at batch 1 and 32 instead.")
flags.DEFINE_boolean("profile", False, "Also show where the time of a training step goes, on a CPU.")
flags.DEFINE_float("seconds", 10.0, "Time for each configuration, after a warm-up.")
flags.DEFINE_string("output", "", "JSON file to write the figures to as well.")
flags.DEFINE_alias("json", "output")


def configured(config: LAGConfig, words: list[str]) -> LAGConfig:
    """A config with parameters changed as 'name=value' words say.

    Raises:
        UserError: if there is no such parameter or value.
    """
    kinds = {field.name: type(field.default) for field in dataclasses.fields(config)}
    changed: dict[str, Any] = {}
    for word in words:
        name, _, value = word.partition("=")
        if name not in kinds:
            raise UserError(f"{word!r}: lag.py has no parameter {name!r}")
        try:
            parse = {bool: lambda v: {"true": True, "false": False}[v.lower()]}.get(kinds[name], kinds[name])
            changed[name] = parse(value)
        except (ValueError, KeyError):
            raise UserError(f"{word!r}: {value!r} is no {kinds[name].__name__}") from None
    made = dataclasses.replace(config, **changed)
    if "recipe" in changed:
        made = made.with_presets(changed)
    made.validate()
    return made


def levels(text: str, last: int) -> tuple[int, int]:
    """(lod_start, lod_stop) of '2' or '1-2', levels from 1 to the last; (last, last) of ''.

    Raises:
        UserError: if it is none of these.
    """
    try:
        found = [int(word) for word in text.split("-")] if text else [last]
    except ValueError:
        found = []
    if not 1 <= len(found) <= 2 or not 0 <= found[-1] - found[0] <= 1 or not 1 <= found[0] <= found[-1] <= last:
        raise UserError(f"--phase={text}: write a level from 1 to {last}, as 2, or a transition to the next, as 1-2")
    return found[0], found[-1]


def check(size: str, config: LAGConfig) -> None:
    """Refuses what cannot be measured at a size.

    Raises:
        UserError: saying why.
    """
    with app.importing():  # TensorFlow
        from libml.datasets.catalogue import Dataset, check_sizes
        from libml.system import hardware
        from libml.system.devices import check_precision

    if FLAGS.profile and hardware.on_gpus():
        raise UserError("--profile sees operations of CPUs only: hide the GPUs, or use TensorBoard's profiler")
    if FLAGS.profile and (config.remat or config.jit_compile):
        raise UserError("--profile counts neither what --remat computes again nor what --jit_compile joins")
    if FLAGS.profile and config.step != "fast":
        raise UserError("--profile counts what the fast step computes: leave out step=plain")
    for name in ("encoder", "spectral_norm"):
        if getattr(config, name):
            raise UserError(f"--{name} cannot be measured: its operations are not counted")
    check_precision(config.precision)
    check_sizes(Dataset(f"size {size}", SIZES[size][0], (), (), ""), config.scale, config.downscaler)
    levels(FLAGS.phase, config.lods)


def configurations(size: str) -> list[tuple[str, LAGConfig]]:
    """(name, config) of what is timed at a size.

    Raises:
        UserError: for the first that cannot be.
    """
    base = configured(LAGConfig(scale=SCALE, batch=FLAGS.batch, **SIZES[size][1]), FLAGS.set)
    pairs = [(f"{size} {words}", configured(base, words.split(","))) for words in FLAGS.compare] or [(size, base)]
    for _, config in pairs:
        check(size, config)
    return pairs


def threads_per_op(size: str) -> int:
    """Cores that an operation may use, which is the same for all of a process.

    Raises:
        UserError: if lag.py would not use the same for all configurations of a size, and no flag says what to do.
    """
    from lag.model import costs

    if FLAGS.threads_per_op >= 0:
        return FLAGS.threads_per_op
    if FLAGS.inference:
        return 0
    found = {costs.plan(config, 3, SIZES[size][0]).threads_per_op for _, config in configurations(size)}
    if len(found) > 1:
        raise UserError(
            f"--compare: at size {size} these would use different threads an operation: give --threads_per_op"
        )
    return found.pop()


def measure(size: str) -> list[dict[str, Any]]:
    """A record for each configuration of a size."""
    import tensorflow as tf

    from lag.performance import benchmark, profiling
    from libml.system.devices import peak_memory

    side, pairs, timed = SIZES[size][0], configurations(size), []
    tf.config.threading.set_intra_op_parallelism_threads(threads_per_op(size))
    benchmark.divide_devices(FLAGS.replicas)
    for name, config in pairs:
        if FLAGS.inference:
            for batch in (1, 32):
                timed.append(benchmark.generator_call(f"{name} G, batch {batch}", config, side, batch))
                timed.append(benchmark.exported_call(f"{name} sample, batch {batch}", config, side, batch))
        else:
            phase = levels(FLAGS.phase, config.lods)
            timed.append(benchmark.training_step(name, config, side, *phase, FLAGS.replicas))
    # The convolutions take turns with what is timed, since other work on the machine slows both.
    precisions = sorted({item.precision for item in timed})
    convolutions = [benchmark.convolution(precision) for precision in precisions]
    measured = benchmark.speeds(timed, FLAGS.seconds, convolutions)
    large = zip(convolutions, measured[len(timed) :], strict=True)
    peaks = {item.precision: speed.median * item.operations for item, speed in large}
    memory = max(peak_memory().values())  # of the whole process: each size has its own, but not each configuration
    records = []
    for item, speed in zip(timed, measured[: len(timed)], strict=True):
        peak = peaks[item.precision]
        share = item.operations * speed.median / peak
        records.append({"name": item.name, **speed._asdict(), "peak": peak, "share": share, "GiB": memory})
    if FLAGS.profile:
        (item,), (record,), config = timed, records, pairs[0][1]
        work = profiling.executed(config, 3, side)
        calls = min(20, max(2, round(PROFILE_SECONDS * record["median"] / item.images)))
        rows = profiling.breakdown(lambda: item.call(0), calls, benchmark.operations_at_once(), work, item.images, peak)
        record["profile"] = [row._asdict() for row in rows]
    return records


def measure_alone(size: str) -> list[dict[str, Any]]:
    """As measure, in a process of its own: TensorFlow's threads and the peak of memory are a process's.

    Raises:
        UserError: if that process fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        figures = Path(folder) / "figures.json"
        done = subprocess.run(
            [sys.executable, *sys.argv, f"--sizes={size}", f"--output={figures}"], stdout=subprocess.DEVNULL
        )
        if done.returncode:
            raise UserError(f"size {size} could not be measured")
        return json.loads(figures.read_text())


def print_profile(rows: list[dict[str, Any]]) -> None:
    """Where the time of a step goes, a line each."""
    for row in rows:
        at_peak = f"{row['at_peak']:>8.1%} at the peak's rate" if row["at_peak"] else ""
        print(f"    {row['group']:<22}{row['share']:>8.1%}{row['calls']:>8.0f} calls{at_peak}", flush=True)


def main() -> None:
    """Measures each size and prints a table."""
    if unknown := set(FLAGS.sizes) - set(SIZES):
        raise UserError(f"--sizes: no size {', '.join(sorted(unknown))}; there are {', '.join(SIZES)}")
    if FLAGS.batch < 1 or FLAGS.replicas < 1 or not 0 < FLAGS.seconds < math.inf:
        raise UserError("--batch, --replicas and --seconds must be positive")
    if FLAGS.profile and (FLAGS.compare or FLAGS.inference or FLAGS.phase or FLAGS.replicas > 1):
        raise UserError("--profile is for one device and the last phase: leave out --compare, --inference and the like")
    if FLAGS.output:
        outputs.check_file("output", FLAGS.output, ".json")
    for size in FLAGS.sizes:
        configurations(size)
        threads_per_op(size)
    heads = ("images/s", "low", "high", "calls", "GFLOP/s", "share", "GiB")
    print(f"{'':<34}" + "".join(f"{head:>10}" for head in heads), flush=True)
    records = []
    for size in FLAGS.sizes:
        found = measure_alone(size) if len(FLAGS.sizes) > 1 else measure(size)
        records += found
        for r in found:
            rates = "".join(f"{r[key]:>10.4g}" for key in ("median", "low", "high"))
            print(
                f"{r['name']:<34}{rates}{r['calls']:>10}{r['peak'] / 1e9:>10.0f}{r['share']:>10.3f}{r['GiB']:>10.2f}",
                flush=True,
            )
            print_profile(r.get("profile", []))
    if FLAGS.output:
        from libml.system.files import write_atomic

        write_atomic(FLAGS.output, (json.dumps(records, indent=2) + "\n").encode())
        print(f"wrote {FLAGS.output}: the figures")


if __name__ == "__main__":
    app.run(main)
