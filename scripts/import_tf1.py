"""Turns a run folder of google-research/lag (TensorFlow 1) into one of ours, to train on, sample from or export.

python scripts/import_tf1.py --run=experiments_tf1/celeba128/average8X/LAG_... --train_dir=experiments
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
if __name__ == "__main__":  # before imports that take time, or may be missing
    from libml.system import entry

    entry.begin()

from absl import flags

from libml import app
from libml.system.store_path import local_only
from libml.training.schedule import KIMG

FLAGS = flags.FLAGS
flags.DEFINE_string("run", None, "Folder of the reference's run: args/args.json and tf/stage_K inside.", required=True)
flags.DEFINE_string("train_dir", "./experiments", "Folder that is to hold our run.")
flags.DEFINE_string("dataset", "", "What it was trained on; by default what its path says, DATASET/average8X/LAG_...")


def main() -> None:
    """Imports the run's newest checkpoint."""
    with app.importing():  # TensorFlow
        from lag.formats.tf1 import import_run

    folder, nimg = import_run(local_only("run", FLAGS.run), FLAGS.train_dir, FLAGS.dataset)
    print(f"wrote {folder}: a run, {nimg / KIMG:g} kimg")


if __name__ == "__main__":
    app.run(main)
