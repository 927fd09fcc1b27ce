"""Measures what training reads: images/s of the whole pipeline, of reading records alone, of decoding alone.

python scripts/benchmark_dataset.py --dataset=celeba128 --batch=16 --samples=20000

The slower part limits the pipeline: the cores, if its rate is near that of decoding; the disk, if it is near that of
reading.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
if __name__ == "__main__":  # before imports that take time, or may be missing
    from libml.system import entry

    entry.begin()

import statistics

from absl import flags

from libml import app
from libml.errors import UserError
from libml.layers.downscalers import LEAST_LORES
from libml.training.config import check_downscaler

FLAGS = flags.FLAGS
flags.DEFINE_string("data_dir", app.default_data_dir(), "Folder of the datasets; by default $ML_DATA, then ./data.")
flags.DEFINE_string("dataset", "celeba128", "Name of the dataset.")
flags.DEFINE_integer("batch", 16, "Images a batch.")
flags.DEFINE_integer("samples", 20000, "Images read in each repetition.")
flags.DEFINE_integer("repeats", 5, "Repetitions; the median is the figure, the least and most stand beside it.")
flags.DEFINE_integer("scale", 8, "Downscaling factor of the pairs.")
flags.DEFINE_string("downscaler", "average", f"Downscaler of the pairs: {', '.join(LEAST_LORES)}.")


def main() -> None:
    """Measures and prints a table."""
    for name in ("batch", "samples", "repeats", "scale"):
        if getattr(FLAGS, name) < 1:
            raise UserError(f"--{name}={getattr(FLAGS, name)} must be at least 1")
    check_downscaler(FLAGS.downscaler)
    with app.importing():  # TensorFlow
        from libml.datasets import catalogue as data
        from libml.datasets.measuring import decoded_batches, rates, raw_batches
        from libml.datasets.stream import Images, reading

    dataset = data.lookup_fitting(FLAGS.dataset, FLAGS.data_dir, FLAGS.scale, FLAGS.downscaler)
    images = Images(dataset, FLAGS.data_dir)
    images.check()
    streams = {
        "pipeline": images.batches(batch=FLAGS.batch, scale=FLAGS.scale, downscaler=FLAGS.downscaler, seed=0),
        "records": raw_batches(images, FLAGS.batch),
        "decoding": decoded_batches(images, FLAGS.batch),
    }
    print(f"{dataset.name}: {sum(images.counts)} images, batch {FLAGS.batch}, {FLAGS.samples} samples")
    print(f"{'images/s':<10}{'median':>10}{'least':>10}{'most':>10}")
    for name, stream in streams.items():
        found = rates(reading(stream, images.locate_bad), FLAGS.batch, FLAGS.samples, FLAGS.repeats)
        print(f"{name:<10}{statistics.median(found):>10.0f}{min(found):>10.0f}{max(found):>10.0f}", flush=True)


if __name__ == "__main__":
    app.run(main)
