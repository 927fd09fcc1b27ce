"""Trains LAG: python lag.py --dataset=celeba128 --scale=8. See --help and docs/training.md."""

if __name__ == "__main__":  # before imports that take time, or may be missing
    from libml.system import entry

    entry.begin()

from absl import flags

from lag.config import LAGConfig
from libml import app

FLAGS = flags.FLAGS
app.define_flags(LAGConfig)
app.define_run_flags()
flags.DEFINE_boolean("export", True, "Export a SavedModel into the run's folder at the end.")
flags.DEFINE_boolean("memtest", False, "Train a few steps of the last stages, to see whether they fit in memory.")


def main() -> None:
    """Flags -> config -> run."""
    config, folder = app.config_and_folder(LAGConfig)
    if not (FLAGS.dry_run or FLAGS.memtest):
        app.check_folder(folder)
    devices = app.device_options()
    with app.importing():  # TensorFlow, which --help and a mistaken flag need not wait for
        from lag import program

    devices |= program.device_needs(config, FLAGS.data_dir)
    if FLAGS.dry_run:
        program.dry_run(config, folder, FLAGS.data_dir, devices)
    elif FLAGS.memtest:
        program.memtest(config, FLAGS.data_dir, devices)
    else:
        program.train_and_export(config, folder, devices, **app.run_options("export"))


if __name__ == "__main__":
    app.run(main, when_stopped="what was saved is kept, the same command goes on")
