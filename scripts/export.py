"""Exports a trained run as a SavedModel, which runs wherever TensorFlow does, or as an ONNX file.

python scripts/export.py --run=RUN_FOLDER --output=FOLDER [--format=onnx]
"""

import sys
from pathlib import Path

from absl import flags

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

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
flags.DEFINE_alias("ckpt", "run")
flags.DEFINE_alias("export_dir", "output")


def main() -> None:
    """Exports the run's newest checkpoint."""
    stored = FORMATS[FLAGS.format].weights
    if FLAGS.weights not in stored:
        raise UserError(f"--weights={FLAGS.weights}: --format={FLAGS.format} stores {', '.join(stored)}")
    outputs.check_folder("output", FLAGS.output)
    FLAGS.run = str(find_run(FLAGS.run))
    with app.importing():  # TensorFlow
        import tensorflow  # noqa: F401

    made = export_run(FLAGS.format, FLAGS.run, FLAGS.output, FLAGS.weights)
    if made["weights_psnr"] is not None:
        print(f"images with {made['weights']} weights against float32 ones: {made['weights_psnr']} dB (PSNR)")
    print(f"wrote {FLAGS.output}: {made['format']}, {made['dataset']} {made['scale']}x, {made['nimg'] / KIMG:g} kimg")


if __name__ == "__main__":
    app.run(main)
