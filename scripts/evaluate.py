"""Measures trained runs on test images: distortion, consistency with the input, diversity, realism.

python scripts/evaluate.py --run=RUN_FOLDER --run=ANOTHER --images=1000 --samples=10 --output=report/
"""

import math
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
if __name__ == "__main__":  # before imports that take time, or may be missing
    from libml.system import entry

    entry.begin()

from absl import flags

from libml import app
from libml.errors import UserError
from libml.system import outputs
from libml.system.store_path import to_path
from libml.training.run_names import find_run

FLAGS = flags.FLAGS
flags.DEFINE_multi_string("run", None, "Folder of a trained run of any method; may be repeated.", required=True)
flags.DEFINE_string("dataset", "", "Whose test images to use; by default those of the first run's dataset.")
app.define_data_dir()
flags.DEFINE_integer("images", 1000, "How many test images, from the first on; fewer where the dataset has fewer.")
flags.DEFINE_integer(
    "samples",
    10,
    "Samples an image at each noise above 0; memory holds --batch of them, and those of one image as bytes.",
)
flags.DEFINE_list("noise", None, "Standard deviations of z besides 0, as 0.5,1; by default 0.25, 0.5, 0.75 and 1.")
flags.DEFINE_string("output", "report", "Folder for the report.")
flags.DEFINE_bool(
    "save_images",
    False,
    "Also write all images that are measured into OUTPUT/pictures, a folder a row, for other tools.",
)
flags.DEFINE_string(
    "critic", "", "LAG run whose critic measures distance; by default the first of the runs that is one."
)
flags.DEFINE_string(
    "inception_weights",
    "",
    "File of InceptionV3's weights, no top; imagenet lets Keras fetch them. By default Keras' own, if it has them.",
)
flags.DEFINE_bool(
    "lite0",
    True,
    "Also measure on EfficientNet-Lite0's features, where its weights are installed: much of the time goes there.",
)
flags.DEFINE_integer("batch", 16, "Images, samples included, that a generator makes at a time.")
flags.DEFINE_integer("seed", 0, "Seed of the noise and of what the measures draw.")
flags.DEFINE_alias("out", "output")


def _noises(texts: list[str]) -> list[float]:
    """--noise as numbers, rising."""
    try:
        stds = sorted({float(text) for text in texts})
    except ValueError:
        stds = []
    if not stds or not all(0 < std < math.inf for std in stds):
        raise UserError(f"--noise={','.join(texts)} must be numbers above 0, as 0.5,1: noise 0 is measured anyway")
    return stds


def main() -> None:
    """Loads the runs and the test images, measures, writes the report."""
    for name, least in (("images", 2), ("samples", 1), ("batch", 1)):
        if FLAGS[name].value < least:
            raise UserError(f"--{name}={FLAGS[name].value} must be at least {least}")
    stds = None if FLAGS.noise is None else _noises(FLAGS.noise)
    outputs.check_folder("output", FLAGS.output)
    FLAGS.run = [str(find_run(run)) for run in FLAGS.run]
    FLAGS.critic = FLAGS.critic and str(find_run(FLAGS.critic))
    with app.importing():  # TensorFlow
        import tensorflow as tf

        from lag.evaluation import recommend, report
        from lag.evaluation.evaluate import STDS, evaluate
        from lag.evaluation.image_folders import new_image_folders
        from lag.evaluation.methods import load_runs
        from lag.evaluation.pairs import load_pairs
        from lag.evaluation.tables import Report, skipped_lines
        from lag.evaluation.yardsticks import load_yardsticks
        from libml.metrics import fid

    tf.config.experimental.enable_op_determinism()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    runs = load_runs(FLAGS.run, FLAGS.batch)
    dataset = FLAGS.dataset or runs[0].config.dataset
    data_dir = app.data_dir_of(FLAGS.run[0], FLAGS.dataset)
    pairs = load_pairs(dataset, data_dir, FLAGS.images, runs[0], FLAGS.batch)
    inception = FLAGS.inception_weights or app.fetched_by_keras(fid.FILE)
    yardsticks = load_yardsticks(runs, FLAGS.critic, inception, FLAGS.batch, FLAGS.lite0)
    output = to_path(FLAGS.output)
    with new_image_folders(output / "pictures", FLAGS.save_images) as folders:
        found = evaluate(runs, pairs, yardsticks, FLAGS.samples, FLAGS.seed, FLAGS.batch, folders, stds or STDS)
    asked = (dataset, FLAGS.images, FLAGS.samples, FLAGS.seed)
    written = Report(*asked, yardsticks.critic_run, pairs, runs, *found)
    report.write(written, output)
    images = len(pairs.hires)
    all_there_are = f", which are all that {dataset} has of --images={FLAGS.images}" if images < FLAGS.images else ""
    print(f"wrote {output / 'report.md'}: {len(written.rows)} rows, {images} images{all_there_are}")
    for line in recommend.record(runs, written.rows, images):
        print(line)
    for line in skipped_lines(written):
        print(f"skipped {line}")


if __name__ == "__main__":
    app.run(main, when_stopped="a report is written when all is measured")
