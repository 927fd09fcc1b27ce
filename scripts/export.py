"""Exports a trained run as a SavedModel, which runs wherever TensorFlow does, or as an ONNX file.

python scripts/export.py --run=RUN_FOLDER --output=FOLDER [--format=onnx | --serving]
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
if __name__ == "__main__":  # before imports that take time, or may be missing
    from libml.system import entry

    entry.begin()

from pathlib import Path

from absl import flags

from lag.formats.registry import FORMATS, export_run
from libml import app
from libml.errors import UserError
from libml.system import outputs
from libml.training.run_names import find_run
from libml.training.schedule import KIMG

FLAGS = flags.FLAGS
flags.DEFINE_string("run", None, "Folder of the trained run.", required=True)
flags.DEFINE_string("output", None, "Folder to write; an older export there is replaced.", required=True)
flags.DEFINE_enum("format", "savedmodel", list(FORMATS), "What to export; onnx: for onnxruntime and others.")
flags.DEFINE_string("weights", "float32", "How weights are stored: float32; float16 or bfloat16 take half the room.")
flags.DEFINE_boolean("serving", False, "Add a version, 1, 2, ..., to --output, for TensorFlow Serving.")
flags.DEFINE_integer("max_pixels", None, "With --serving: most pixels that a request may have; by default 65536.")
flags.DEFINE_alias("ckpt", "run")
flags.DEFINE_alias("export_dir", "output")


def main() -> None:
    """Exports the run's newest checkpoint."""
    stored = FORMATS[FLAGS.format].weights
    if FLAGS.weights not in stored:
        raise UserError(f"--weights={FLAGS.weights}: --format={FLAGS.format} stores {', '.join(stored)}")
    if FLAGS.serving and FLAGS.format != "savedmodel":
        raise UserError(f"--serving exports a SavedModel: leave out --format={FLAGS.format}")
    if FLAGS.max_pixels is not None and not FLAGS.serving:
        raise UserError("--max_pixels bounds what --serving takes: add it")
    outputs.check_folder("output", FLAGS.output)
    FLAGS.run = str(find_run(FLAGS.run))
    with app.importing():  # TensorFlow
        import tensorflow  # noqa: F401

    folder: str | Path = FLAGS.output
    if FLAGS.serving:
        from lag.formats import served

        most = served.MAX_PIXELS if FLAGS.max_pixels is None else FLAGS.max_pixels
        folder, made = served.export_version(FLAGS.run, FLAGS.output, FLAGS.weights, most)
    else:
        made = export_run(FLAGS.format, FLAGS.run, FLAGS.output, FLAGS.weights)
    if made["weights_psnr"] is not None:
        print(f"images with {made['weights']} weights against float32 ones: {made['weights_psnr']} dB (PSNR)")
    print(f"wrote {folder}: {made['format']}, {made['dataset']} {made['scale']}x, {made['nimg'] / KIMG:g} kimg")


if __name__ == "__main__":
    app.run(main)
