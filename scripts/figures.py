"""Draws the paper's figures from a trained run.

python scripts/figures.py --run=RUN_FOLDER --figure=candidates --output=candidates.png

candidates  samples of increasing noise (figures 1 to 4)
mirror      inputs blended from an image to its mirror image (figure 5)
cross       candidates for inputs of --dataset, another one than the run's (figure 6)
noise       inputs with growing pixel noise, down to nothing else (figure 7)
progress    the same inputs at every checkpoint that the run still has
walk        an animation (WebP): from z = 0 to samples and back
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
if __name__ == "__main__":  # before imports that take time, or may be missing
    from libml.system import entry

    entry.begin()

from absl import flags

from lag.figures.indices import parse_indices
from lag.figures.registry import FIGURES, make
from libml import app
from libml.errors import UserError
from libml.system import outputs
from libml.training.run_names import find_run
from libml.training.schedule import KIMG

MOST = 1_000  # columns of a figure, images at a time
FRAME = 80  # milliseconds
LARGEST_NOISE = 10

FLAGS = flags.FLAGS
flags.DEFINE_string("run", None, "Folder of the trained run.", required=True)
flags.DEFINE_string("figure", "candidates", f"Which one: {', '.join(FIGURES)}.")
flags.DEFINE_string("dataset", "", "Whose test images to use; by default those of the run's dataset.")
app.define_data_dir()
flags.DEFINE_string("samples", "0-3", "Which test images: numbers and spans, as 0,3,5-8.")
flags.DEFINE_integer("columns", 8, "Images a row: samples, or steps of blending.")
flags.DEFINE_integer("frames", 64, "Images of a walk.")
flags.DEFINE_float("noise", 1.0, "Standard deviation of z of the samples that a walk passes.")
flags.DEFINE_string("output", "", "PNG file to write, WebP of a walk; by default FIGURE.png and walk.webp.")
flags.DEFINE_integer("batch", 16, "Images made at a time.")
flags.DEFINE_integer("seed", 0, "Seed of the noise.")
flags.DEFINE_alias("ckpt", "run")
flags.DEFINE_alias("save_to", "output")


def main() -> None:
    """Reads the run, makes the images, draws and writes the figure."""
    name, indices = FLAGS.figure, parse_indices(FLAGS.samples)
    if name not in FIGURES:
        raise UserError(f"--figure={name} is unknown: use {', '.join(FIGURES)}")
    kind = FIGURES[name]
    for option in ("columns", "batch", "frames"):
        if not 1 <= FLAGS[option].value <= MOST:
            raise UserError(f"--{option}={FLAGS[option].value} must be from 1 to {MOST}")
    if not 0 < FLAGS.noise <= LARGEST_NOISE:
        raise UserError(f"--noise={FLAGS.noise} must be above 0 and at most {LARGEST_NOISE}")
    if kind.foreign and not FLAGS.dataset:
        raise UserError(f"--figure={name} shows inputs of another dataset: add --dataset=NAME")
    suffix = ".webp" if kind.moves else ".png"
    path = FLAGS.output or f"{name}{suffix}"
    outputs.check_file("output", path, suffix)
    FLAGS.run = str(find_run(FLAGS.run))
    with app.importing():  # TensorFlow
        from lag.any_method import load_any
        from lag.figures.inputs import Inputs, load_test_images
        from libml.images import check_webp, encode_png, encode_webp
        from libml.page import Figure, draw
        from libml.system.files import write_atomic

    trained = load_any(FLAGS.run)
    config = trained.config
    if kind.foreign and FLAGS.dataset == config.dataset:
        raise UserError(f"--figure={name} shows inputs of another dataset than {config.dataset}, the run's own")
    data_dir = app.data_dir_of(FLAGS.run, FLAGS.dataset)
    hires = load_test_images(FLAGS.dataset, data_dir, indices, config, trained.colors)
    inputs = Inputs(hires, indices, config.downscaler, config.scale)
    title = f"{config.dataset} {config.scale}x, {trained.nimg / KIMG:g} kimg"
    title += f", inputs of {FLAGS.dataset}" if FLAGS.dataset else ""
    sampler = trained.sampler(FLAGS.batch)
    if kind.moves and not sampler.stochastic:
        raise UserError(f"{config.method} takes no noise: there is nothing to walk through")
    if kind.moves:  # before the images are made: all frames are as high as this
        check_webp(draw(Figure(title, ["original"], [(f"#{i}", [x]) for i, x in zip(indices, hires, strict=True)])))
    options = {option: FLAGS[option].value for option in ("run", "columns", "frames", "noise", "seed", "batch")}
    pictures = [draw(figure) for figure in make(name, sampler=sampler, inputs=inputs, title=title, **options)]
    write_atomic(path, encode_webp(pictures, FRAME) if kind.moves else encode_png(pictures[0]))
    print(f"wrote {path}: {name} of {title}")


if __name__ == "__main__":
    app.run(main)
