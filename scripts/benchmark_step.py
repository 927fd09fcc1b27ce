"""Measures training steps: images/s of the sizes S, M and L of LAG on synthetic images.

python scripts/benchmark_step.py --sizes=S,M,L
"""

import json
import statistics
import sys
import time
from pathlib import Path

from absl import flags

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from lag.config import LAGConfig
from libml import app
from libml.errors import UserError

# Side of the HR image, and what differs from the defaults.
SIZES = {
    "S": (32, {"filters": 64, "filters_min": 16, "blocks": 2, "noise_dim": 16}),
    "M": (64, {"filters": 128, "filters_min": 32, "blocks": 4, "noise_dim": 32}),
    "L": (128, {}),
}

FLAGS = flags.FLAGS
flags.DEFINE_list("sizes", ["S", "M", "L"], f"Which of {', '.join(SIZES)}; all at 8x.")
flags.DEFINE_integer("batch", 16, "Images a step.")
flags.DEFINE_integer("steps", 0, "Steps timed; 0: as many as fill --seconds, at least 3.")
flags.DEFINE_float("seconds", 10.0, "Time to fill for each size.")
flags.DEFINE_string("json", "", "File to write the figures to as well.")


def measure(size: str, batch: int, steps: int, seconds: float) -> dict[str, float]:
    """images/s of the last phase: median, least and most over the steps after two of warm-up."""
    import tensorflow as tf

    from lag.model import LAG
    from libml.devices import make_devices
    from libml.layers import DOWNSCALERS

    side, options = SIZES[size]
    config = LAGConfig(scale=8, batch=batch, **options)
    model = LAG(config, 3, make_devices(batch).strategy)
    hires = tf.random.stateless_uniform([batch, side, side, 3], [0, 0], -1.0, 1.0)
    images = (DOWNSCALERS["average"](hires, 8), hires)
    phase = config.schedule().phases[-1]

    def step(i: int) -> float:
        start = time.perf_counter()
        model.train_step(images, phase, i * batch)
        model.meters.steps.numpy()  # waits for the device
        return time.perf_counter() - start

    step(0)
    steps = steps or max(3, int(seconds / step(1)))
    rates = [batch / step(i + 2) for i in range(steps)]
    return {"median": statistics.median(rates), "min": min(rates), "max": max(rates), "steps": steps}


def main() -> None:
    """Measures each size and prints a table."""
    if unknown := set(FLAGS.sizes) - set(SIZES):
        raise UserError(f"--sizes: no size {', '.join(sorted(unknown))}; there are {', '.join(SIZES)}")
    print(f"{'size':<6}{'images/s':>10}{'least':>10}{'most':>10}{'steps':>8}")
    figures = {}
    for size in FLAGS.sizes:
        figures[size] = r = measure(size, FLAGS.batch, FLAGS.steps, FLAGS.seconds)
        print(f"{size:<6}{r['median']:>10.4g}{r['min']:>10.4g}{r['max']:>10.4g}{r['steps']:>8}", flush=True)
    if FLAGS.json:
        from libml.files import write_atomic

        write_atomic(FLAGS.json, (json.dumps(figures, indent=2) + "\n").encode())


if __name__ == "__main__":
    app.run(main)
