"""Writes a picture of candidates from a trained run: a row a test image, HR, LR, then ever noisier samples.

python scripts/lag_generate_candidates.py --ckpt=RUN_FOLDER --samples=0,3,5-8 --ncand=16 --save_to=candidates.png
"""

import sys
from pathlib import Path

from absl import flags

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from libml import app
from libml.errors import UserError

FLAGS = flags.FLAGS
flags.DEFINE_string("ckpt", None, "Folder of the trained run.", required=True)
flags.DEFINE_string("dataset", "", "Whose test images to use; by default those of the run's dataset.")
flags.DEFINE_string("data_dir", app.default_data_dir(), "Folder of the datasets; by default $ML_DATA, then ./data.")
flags.DEFINE_string("samples", "0-7", "Which test images: numbers and spans, as 0,3,5-8.")
flags.DEFINE_integer("ncand", 16, "Candidates an image; the standard deviation of z rises evenly from 0 to 1.")
flags.DEFINE_string("save_to", "candidates.png", "PNG file to write.")
flags.DEFINE_integer("batch", 16, "Candidates made at a time.")
flags.DEFINE_integer("seed", 0, "Seed of the noise.")


def parse_samples(text: str) -> list[int]:
    """'0,3,5-8' -> [0, 3, 5, 6, 7, 8].

    Raises:
        UserError: if it is written otherwise.
    """
    chosen = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdigit() or (last and not last.isdigit()) or (last and int(last) < int(first)):
            raise UserError(f"--samples={text}: {part.strip()!r} is neither a number nor a rising span as 5-8")
        chosen.extend(range(int(first), int(last or first) + 1))
    return chosen


def main() -> None:
    """Reads the run, makes the candidates, writes the picture."""
    indices = parse_samples(FLAGS.samples)
    for name in ("ncand", "batch"):
        if getattr(FLAGS, name) < 1:
            raise UserError(f"--{name}={getattr(FLAGS, name)} must be at least 1")
    from lag import sampling
    from libml.data import Images, check_sizes, lookup
    from libml.images import save_png

    sampler, config = sampling.load_run(FLAGS.ckpt, FLAGS.batch)
    dataset = lookup(FLAGS.dataset or config.dataset, Path(FLAGS.data_dir))
    if dataset.colors != sampler.generator.colors:
        raise UserError(
            f"{dataset.name} has {dataset.colors} colour channels, the run was trained on {sampler.generator.colors}"
        )
    check_sizes(dataset, config.scale, config.downscaler)
    hires = Images(dataset, FLAGS.data_dir).test_images(indices)
    stds = sampling.candidate_stds(FLAGS.ncand)
    save_png(FLAGS.save_to, sampling.candidates_grid(sampler, hires, config.downscaler, stds, FLAGS.seed, indices))
    print(f"wrote {FLAGS.save_to}")


if __name__ == "__main__":
    app.run(main)
