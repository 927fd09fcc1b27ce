"""Measures several workers on this machine: what each reads, its steps, and what it waits for. Or computes many GPUs.

python scripts/benchmark_workers.py --workers=1,2,4,8
python scripts/benchmark_workers.py --model --gpus=8,64,512

A worker is a process with a tiny network, and all of them share this machine's cores: images/s falls with their number.
--model prints what lag/performance/scaling.py computes from the flags; nothing of it is measured on a GPU.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
if __name__ == "__main__":  # before imports that take time, or may be missing
    from libml.system import entry

    entry.begin()

import itertools
import json
import math
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from absl import flags

from lag.performance import scaling
from lag.performance.machine.report import table
from lag.performance.sizes import SIZES
from libml import app
from libml.errors import UserError
from libml.system import outputs
from libml.system.local_cluster import tf_configs

FACES, TEST_FACES = 1024, 16  # of the dataset that is drawn
BATCHES = (8, 16, 32, 64, 128)  # of which 1024 images are a whole number, and steps enough
MOST = 2**31 - 1  # of a flag
LONGEST = 1800  # seconds of a number of workers
ASSUMED = scaling.Hardware(images=1)

FLAGS = flags.FLAGS
flags.DEFINE_list("workers", ["1", "2", "4", "8"], "How many workers, one number after the other; 1 comes first.")
flags.DEFINE_integer("batch", 32, "Global batch of the workers.")
flags.DEFINE_integer("kimg", 3, "Length of each training in 1024 images; a checkpoint each.")
flags.DEFINE_string("output", "", "JSON file to write the figures to as well.")
flags.DEFINE_boolean("model", False, "Compute the rates of many GPUs instead, and print a table.")
flags.DEFINE_list("sizes", list(SIZES), f"Of --model: which of {', '.join(SIZES)}.")
flags.DEFINE_list("gpus", ["8", "64", "512"], "Of --model: how many GPUs.")
flags.DEFINE_list("images_per_second", [], "Of --model: what one GPU trains on, by --sizes; by default of --tflops.")
flags.DEFINE_float("tflops", 20.0, "Of --model: 10^12 operations a second that one GPU reaches in a step.")
flags.DEFINE_float("launch_ms", 1000 * ASSUMED.per_step, "Of --model: the part of a step that no image adds to.")
flags.DEFINE_integer("per_host", ASSUMED.per_host, "Of --model: GPUs of a host.")
flags.DEFINE_float("inside", ASSUMED.inside / 1e9, "Of --model: GB/s of a link between GPUs of a host.")
flags.DEFINE_float("between", ASSUMED.between / 1e9, "Of --model: GB/s of a link between hosts.")
flags.DEFINE_float("latency_us", 1e6 * ASSUMED.latency, "Of --model: of a message.")
flags.DEFINE_float("decoded", ASSUMED.decoded, "Of --model: images a second that a host decodes.")
flags.DEFINE_float("dealt", ASSUMED.dealt, "Of --model: records a second that a host looks at.")
flags.DEFINE_integer("per_gpu", 16, "Of --model: images a GPU, where the batch grows with their number.")
flags.DEFINE_integer("fixed", 512, "Of --model: the global batch, where it does not.")
flags.DEFINE_string("work", "", "For this program itself: folder of what the workers share.")


def numbers(name: str) -> list[int]:
    """Whole numbers above 0 of a flag.

    Raises:
        UserError: if they are none.
    """
    try:
        found = [int(word) for word in FLAGS[name].value]
    except ValueError:
        found = []
    if not found or min(found) < 1 or max(found) > MOST:
        raise UserError(f"--{name}={','.join(FLAGS[name].value)}: give whole numbers above 0, as 1,2,4")
    return found


def check_numbers() -> None:
    """Refuses flags of --model that are no numbers to compute with.

    Raises:
        UserError: naming the first.
    """
    for name in ("tflops", "launch_ms", "inside", "between", "latency_us", "decoded", "dealt"):
        least = 0 if name in ("launch_ms", "latency_us") else sys.float_info.min
        if not least <= FLAGS[name].value < math.inf:
            raise UserError(f"--{name}={FLAGS[name].value} must be finite and {'at least' if not least else 'above'} 0")
    for name in ("per_host", "per_gpu", "fixed", "batch", "kimg"):
        if not 1 <= FLAGS[name].value <= MOST:
            raise UserError(f"--{name}={FLAGS[name].value} must be from 1 to {MOST}")


def model_rows() -> list[dict[str, Any]]:
    """Rows of the table of --model.

    Raises:
        UserError: for the first flag that cannot be.
    """
    with app.importing():  # TensorFlow
        from lag.performance import scaling_table

    if unknown := set(FLAGS.sizes) - set(SIZES):
        raise UserError(f"--sizes: no size {', '.join(sorted(unknown))}; there are {', '.join(SIZES)}")
    if FLAGS.images_per_second and len(FLAGS.images_per_second) != len(FLAGS.sizes):
        raise UserError("--images_per_second: give a number for each of --sizes")
    rates = numbers("images_per_second") if FLAGS.images_per_second else [None] * len(FLAGS.sizes)
    hardware = scaling.Hardware(
        images=ASSUMED.images,
        per_step=FLAGS.launch_ms / 1000,
        per_host=FLAGS.per_host,
        inside=1e9 * FLAGS.inside,
        between=1e9 * FLAGS.between,
        latency=FLAGS.latency_us / 1e6,
        decoded=FLAGS.decoded,
        dealt=FLAGS.dealt,
    )
    by_size = dict(zip(FLAGS.sizes, rates, strict=True))
    return scaling_table.rows(
        by_size, numbers("gpus"), hardware, 1e12 * FLAGS.tflops, per_gpu=FLAGS.per_gpu, fixed=FLAGS.fixed
    )


def run_workers(count: int, work: Path) -> list[dict[str, Any]]:
    """Trains on so many processes; their rows.

    Raises:
        UserError: if one of them fails.
    """
    words = [
        sys.executable,
        str(Path(__file__).resolve()),
        f"--work={work}",
        f"--batch={FLAGS.batch}",
        f"--kimg={FLAGS.kimg}",
    ]
    started, logs = [], [work / f"log-{count}-{i}.txt" for i in range(count)]
    try:
        for place, log in zip(tf_configs(count), logs, strict=True):
            env = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "TF_CONFIG": place}
            with log.open("w") as out:
                started.append(subprocess.Popen(words, env=env, stdout=out, stderr=subprocess.STDOUT))
        wait_for(started, logs)
    finally:
        for process in started:
            process.kill()
            process.wait()
    return [json.loads((work / f"row-{count}-{i}.json").read_text()) for i in range(count)]


def wait_for(started: list[subprocess.Popen], logs: list[Path]) -> None:
    """Returns when all have ended well.

    Raises:
        UserError: when one fails, the others of which may wait for it; if they take too long.
    """
    end = time.monotonic() + LONGEST
    while None in (statuses := [process.poll() for process in started]) and not any(statuses):
        if time.monotonic() > end:
            raise UserError(f"{len(started)} workers were not done within {LONGEST} s")
        time.sleep(0.1)
    for status, log in zip(statuses, logs, strict=True):
        if status:
            said = log.read_text(errors="replace").strip().splitlines()
            raise UserError(f"a worker of {len(started)} failed: {said[-1] if said else 'it said nothing'}")


def work_as_one(work: Path) -> None:
    """What a worker's process does.

    Raises:
        UserError: if this is none.
    """
    if "TF_CONFIG" not in os.environ or not work.is_dir():
        raise UserError(f"--work={work} is for this program itself: leave it out")
    with app.importing():  # TensorFlow
        from lag.model import costs
        from lag.performance import workers
        from libml.system.devices import make_devices

    count = len(json.loads(os.environ["TF_CONFIG"])["cluster"]["worker"])
    config = workers.config_of(FLAGS.batch, FLAGS.kimg, work / f"runs-{count}")
    devices = make_devices(
        config.batch, tf_config=os.environ["TF_CONFIG"], threads_per_op=costs.plan(config, 3, 32).threads_per_op
    )
    row = workers.measure(config, devices, work, work)
    (work / f"row-{devices.workers}-{devices.worker}.json").write_text(json.dumps(row))


def measured() -> dict[str, list[dict[str, Any]]]:
    """Runs each number of workers; prints and returns the tables."""
    from libml.datasets import toyfaces_records

    counts = sorted({1, *numbers("workers")})
    if FLAGS.batch not in BATCHES or FLAGS.kimg < 2:
        raise UserError(f"use a --batch of {', '.join(map(str, BATCHES))} and a --kimg of 2 or more")
    if wrong := [n for n in counts if FLAGS.batch % n]:
        raise UserError(f"--batch={FLAGS.batch} cannot be shared evenly by {wrong[0]} workers")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        toyfaces_records.make(work, 32, FACES, TEST_FACES)
        rows = {}
        for count in counts:
            print(f"training on {count} worker(s)", flush=True)
            rows[count] = run_workers(count, work)
        with app.importing():  # TensorFlow
            from lag.performance import workers
        one, every = rows[1][0], list(itertools.chain(*rows.values()))
        found = {"workers": [workers.compared(rows[n], one, work) for n in counts], "sums": workers.rings(every)}
    found["records"] = [{name: one[name] for name in ("looked at/CPU s", "passed over/CPU s")}]
    for name, lines in found.items():
        if not lines:
            continue
        print(f"\n{name}\n" + "\n".join(table(lines)), flush=True)
    return found


def main() -> None:
    """Measures, or computes, and prints tables."""
    if FLAGS.work:
        work_as_one(Path(FLAGS.work))
        return
    if FLAGS.output:
        outputs.check_file("output", FLAGS.output, ".json")
    check_numbers()
    if FLAGS.model:
        found = {"model": model_rows()}
        print("\n".join(table(found["model"])))
    else:
        found = measured()
    if FLAGS.output:
        from libml.system.files import write_atomic

        write_atomic(FLAGS.output, (json.dumps(found, indent=2) + "\n").encode())
        print(f"wrote {FLAGS.output}: the figures")


if __name__ == "__main__":
    app.run(main)
