"""Writes a picture of candidates from a trained run. A test image has a row: original, input, ever noisier samples.

python scripts/lag_generate_candidates.py --run=RUN_FOLDER --samples=0,3,5-8 --ncand=16 --output=candidates.png
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
if __name__ == "__main__":  # before imports that take time, or may be missing
    from libml.system import entry

    entry.begin()

from absl import flags

from lag.figures.indices import parse_indices
from libml import app
from libml.errors import UserError
from libml.system import outputs
from libml.training.run_names import find_run
from libml.training.schedule import KIMG

MOST = 10_000  # candidates an image, candidates at a time
LARGEST_CELL = 1024

FLAGS = flags.FLAGS
flags.DEFINE_string("run", None, "Folder of the trained run, of any method.", required=True)
flags.DEFINE_string("dataset", "", "Whose test images to use; by default those of the run's dataset.")
app.define_data_dir()
flags.DEFINE_string("samples", "0-7", "Which test images: numbers and spans, as 0,3,5-8.")
flags.DEFINE_integer(
    "ncand",
    16,
    "Candidates an image; the standard deviation of z rises evenly from 0 to 1. One, whatever is asked for, "
    "of a method that takes no noise, such as EDSR.",
)
flags.DEFINE_string("output", "candidates.png", "PNG file to write.")
flags.DEFINE_integer("cell", 96, "Pixels a side that an image has at least: small ones are shown with larger pixels.")
flags.DEFINE_boolean("plain", False, "The bare grid of the reference: no words, no gaps, images at their own size.")
flags.DEFINE_integer("batch", 16, "Candidates made at a time.")
flags.DEFINE_integer("seed", 0, "Seed of the noise.")
flags.DEFINE_alias("ckpt", "run")  # the reference's names
flags.DEFINE_alias("save_to", "output")


def main() -> None:
    """Reads the run, makes the candidates, writes the picture."""
    indices = parse_indices(FLAGS.samples)
    for name in ("ncand", "batch"):
        if not 1 <= getattr(FLAGS, name) <= MOST:
            raise UserError(f"--{name}={getattr(FLAGS, name)} must be from 1 to {MOST}")
    if not 1 <= FLAGS.cell <= LARGEST_CELL:
        raise UserError(f"--cell={FLAGS.cell} must be from 1 to {LARGEST_CELL}")
    outputs.check_file("output", FLAGS.output, ".png")
    FLAGS.run = str(find_run(FLAGS.run))
    with app.importing():  # TensorFlow
        from lag.evaluation.methods import load_run
        from lag.figures.inputs import load_test_images
        from libml.images import encode_png, save_png
        from libml.page import draw
        from libml.sampler import candidate_stds, candidates_figure, candidates_grid
        from libml.system.files import write_atomic

    run = load_run(FLAGS.run, FLAGS.batch)
    sampler, config = run.sampler, run.config
    hires = load_test_images(FLAGS.dataset, app.data_dir_of(FLAGS.run, FLAGS.dataset), indices, config, run.colors)
    stds = candidate_stds(FLAGS.ncand if sampler.stochastic else 1)
    given = (sampler, hires, config.downscaler, stds, FLAGS.seed, indices)
    if FLAGS.plain:
        save_png(FLAGS.output, candidates_grid(*given))
    else:
        title = f"{run.label}, {config.dataset} {config.scale}x, {run.nimg / KIMG:g} kimg"
        title += f", inputs of {FLAGS.dataset}" if FLAGS.dataset else ""
        write_atomic(FLAGS.output, encode_png(draw(candidates_figure(*given, title), FLAGS.cell)))
    print(f"wrote {FLAGS.output}: {len(indices)} test images, {len(stds)} candidates each")


if __name__ == "__main__":
    app.run(main)
