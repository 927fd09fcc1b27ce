"""Finds out what a machine does with LAG: what is wrong with it, in words, and how fast it is. For CPUs and GPUs.

python scripts/check_machine.py --minutes=10 --output=machine_report/
python scripts/check_machine.py --cpus=2 --minutes=5

Versions, devices and drivers; the reference's numbers in each precision; 1, 2, ... all devices against one; training
steps of S, M and L as a share of what the device can do, in each precision, recomputed and with XLA; reading images;
checkpoints; a short training, whose curve is held to a band. report.md can be pasted into an issue.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
if __name__ == "__main__":  # before imports that take time, or may be missing
    from libml.system import entry

    entry.begin()

import math
import shlex
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from absl import flags

from lag.performance.machine import curve, report, running, words
from lag.performance.machine.report import Outcome
from lag.performance.machine.running import Part
from libml import app
from libml.errors import UserError
from libml.system import outputs
from libml.system.files import user_errors
from libml.system.store_path import local_only
from libml.training.run_folder import RunFolder
from libml.training.run_names import runs_below

ROOT = Path(__file__).resolve().parent.parent
TRAIN = "train"  # the item that lag.py runs
START, WORKING = 6.0, 0.8  # seconds until a process has begun, and the share of the others in which it begins new work
PARTS = (
    Part("facts", "The machine", 3),
    Part("parity", "The reference's numbers", 14, ("float32", "bfloat16", "tf32")),
    Part("devices", "Several devices", 14),
    Part("speed", "Training steps", 36, ("S", "M", "L")),
    Part("input", "Reading images", 10, ("S", "M", "L")),
    Part("checkpoint", "Checkpoints", 5, ("S", "L")),
    Part("training", "A short training", 20, ("draw", TRAIN)),
)
NAMES = [part.name for part in PARTS]
GOLDEN = ("lag_average8x_lod1to2", "lag_average8x_lod3", "lag_bicubic8x_lod2to3", "lag_average8x_lod1")

FLAGS = flags.FLAGS
flags.DEFINE_float("minutes", 10.0, "Time for all parts, which is shared among them.")
flags.DEFINE_string("output", "machine_report", "Folder for report.md and report.json.")
app.define_cpus()
flags.DEFINE_list("parts", NAMES, f"Which parts to run, of {', '.join(NAMES)}; facts in any case.")
flags.DEFINE_string("only", "", "For this program itself: the part that a process of its own runs, as speed:L.")
flags.DEFINE_float("seconds", 60.0, "For this program itself: time for --only.")
flags.DEFINE_string("work", "", "For this program itself: folder of what the parts share.")


def found_in(name: str, item: str) -> Iterator[dict[str, Any]]:
    """The rows of a part's item, as they are found; in a process of its own.

    Raises:
        UserError: if it cannot run here.
    """
    with app.importing():  # TensorFlow
        from lag.performance.machine import facts, measures
        from libml.system import hardware

    if FLAGS.cpus > 1:
        if hardware.on_gpus():
            raise UserError(f"--cpus={FLAGS.cpus} is for machines without GPUs")
        hardware.divide_cpu(FLAGS.cpus)
    if name == "speed":
        measures.set_threads(item)
    work, seconds = Path(FLAGS.work), FLAGS.seconds
    most = len(hardware.gpus()) or FLAGS.cpus
    yield from {
        "facts": lambda: facts.rows(most),
        "parity": lambda: parity(item, seconds),
        "devices": lambda: measures.replicas(int(item), most, seconds, work),
        "speed": lambda: measures.speed(item, seconds),
        "input": lambda: measures.reading_speed(item, work / "data"),
        "checkpoint": lambda: measures.checkpoint(item, work),
        "training": lambda: measures.drawing(work / "data"),
    }[name]()


def parity(precision: str, seconds: float) -> Iterator[dict[str, Any]]:
    """A row for each file of the reference's numbers: the worst errors of a step in a precision, on this device.

    Raises:
        UserError: if the files are not here.
    """
    import numpy as np
    import tensorflow as tf

    from libml.system import hardware

    if not (ROOT / "tests" / "parity.py").exists():
        raise UserError("the reference's numbers are in tests/ of a checkout, and this is none: git clone the project")
    from tests.parity import compare_lag

    tf.config.experimental.enable_tensor_float_32_execution(precision == "tf32")
    start, ways = time.monotonic(), {"fast": ("fast", hardware.on_gpus())}
    for i, name in enumerate(GOLDEN):
        if (i and not running.enough(start, seconds, i)) or (precision == "tf32" and not hardware.on_gpus()):
            return
        with np.load(ROOT / "tests" / "golden" / f"{name}.npz") as golden:
            found = compare_lag(golden, precision, ways).rows
        if precision == "float32":
            group, (error, bound, _) = max(found.items(), key=lambda row: row[1][0] / row[1][1])
            row = {"group": group, "error": error, "bound": bound}
        else:  # the weights after a step differ by the step where a gradient's sign does
            group, (error, *_) = max(found.items(), key=lambda row: -1 if "step1" in row[0] else row[1][0])
            row = {"group": group, "error": error}
        worst = {kind: max(r[0] for g, r in found.items() if g.startswith(kind)) for kind in ("loss", "grad")}
        yield {"precision": precision, "file": name, **row, **{f"{kind}, worst": e for kind, e in worst.items()}}


def command(part: Part, item: str, seconds: float, work: Path, devices: str) -> list[str]:
    """The process that finds a part's item; `devices` is what lag.py is told of them."""
    if item == TRAIN:
        folders = [f"--data_dir={work / 'data'}", f"--train_dir={work / 'runs'}"]
        return [sys.executable, str(ROOT / "lag.py"), *curve.words(), *folders, devices]
    of_child = max(1.0, WORKING * (seconds - START))
    only = [f"--only={part.name}:{item}", f"--work={work}", f"--seconds={of_child:.1f}", f"--cpus={FLAGS.cpus}"]
    return [sys.executable, str(Path(__file__).resolve()), *only]


def run_part(part: Part, items: list[str], seconds: float, work: Path, devices: str) -> Outcome:
    """Runs a part's items one after another, within its seconds; `devices` as command takes it."""
    start, rows, failures = time.monotonic(), [], []
    for i, item in enumerate(items):
        left = (seconds - (time.monotonic() - start)) / (len(items) - i)
        file = f"{part.name}-{item}"
        why = running.run(command(part, item, left, work, devices), max(left, 1.0), work / f"{file}.txt")
        if item == TRAIN:
            for run in runs_below(work / "runs"):
                rows += curve.rows(RunFolder(run).metrics)
        rows += running.kept(work / f"{file}.jsonl")
        failures += [f"{item}: {why}".removeprefix(": ")] if why else []
    return Outcome(part.name, part.title, rows, failures, time.monotonic() - start)


def checked_only() -> tuple[str, str]:
    """(part, item) of --only.

    Raises:
        UserError: if there is no such part or item, or no folder to work in.
    """
    name, _, item = FLAGS.only.partition(":")
    items = {part.name: part.items for part in PARTS}
    known = item.isdecimal() if name == "devices" else item in items.get(name, ())
    if not known or item == TRAIN or not Path(FLAGS.work).is_dir() or not FLAGS.work:
        raise UserError(f"--only={FLAGS.only} is for this program itself: use --parts")
    return name, item


def check() -> None:
    """Refuses flags that make no sense.

    Raises:
        UserError: saying why.
    """
    if unknown := [name for name in FLAGS.parts if name not in NAMES]:
        raise UserError(f"--parts: no part {unknown[0]}; there are {', '.join(NAMES)}")
    if not 0 < FLAGS.minutes < math.inf:
        raise UserError(f"--minutes={FLAGS.minutes} must be positive")
    app.checked_cpus()
    outputs.check_folder("output", FLAGS.output)


def main() -> None:
    """Runs the parts, each in a process of its own, says what it finds, and writes the report."""
    if FLAGS.only:
        name, item = checked_only()
        for row in found_in(name, item):
            running.keep(row, Path(FLAGS.work) / f"{name}-{item}.jsonl")
        return
    check()
    output, end = local_only("output", FLAGS.output), time.monotonic() + 60 * FLAGS.minutes
    parts, outcomes, devices = [part for part in PARTS if part.name in ("facts", *FLAGS.parts)], [], FLAGS.cpus
    asked = shlex.join(["python", "scripts/check_machine.py", *sys.argv[1:]])
    with user_errors(output):
        output.mkdir(parents=True, exist_ok=True)
        work = tempfile.TemporaryDirectory(dir=output, prefix=".work")
    with work as folder:
        for i, part in enumerate(parts):
            seconds = running.allowance(parts[i:], end - time.monotonic())
            items = [str(n) for n in running.counts(devices)] if part.name == "devices" else list(part.items)
            gpus = bool(outcomes) and words.on_gpus(outcomes[0].rows)  # as the first part, facts, says
            if part.name == "parity" and not gpus:
                items.remove("tf32")
            found = run_part(part, items, seconds, Path(folder), curve.devices(devices, gpus))
            outcomes.append(found)
            lines = [f"\n{part.title} ({found.seconds:.0f} s)", *report.table(found.rows), *found.failures]
            print("\n".join(lines), flush=True)
            devices = next((row["is"] for row in found.rows if row.get("what") == words.DEVICES), devices)
            report.write(outcomes, asked, output)
    print("\nWhat is wrong:")
    print("\n".join(report.judged(outcomes) or ["nothing"]))
    print(f"wrote {output / 'report.md'}: the report, and {output / 'report.json'}: the same for programs")


if __name__ == "__main__":
    app.run(main, when_stopped="the report has the parts that were done")
