"""Trains LAG: python lag.py --dataset=celeba128 --scale=8. See --help for the flags and README.md for the rest."""

from absl import flags

from lag.config import LAGConfig
from libml import app

FLAGS = flags.FLAGS
app.define_flags(LAGConfig)
flags.DEFINE_string("data_dir", app.default_data_dir(), "Folder of the datasets; by default $ML_DATA, then ./data.")
flags.DEFINE_boolean("reset", False, "Forget what the run's folder holds and train from scratch.")
flags.DEFINE_boolean("memtest", False, "Train a few steps of the last stages, to see whether they fit in memory.")
flags.DEFINE_boolean("dry_run", False, "Print the phases, the parameters and an estimate of memory, then exit.")


def main() -> None:
    """Flags -> config -> run."""
    config = app.config_from_flags(LAGConfig)
    from lag import program  # brings in TensorFlow, which --help and a mistaken flag need not wait for

    if FLAGS.dry_run:
        program.dry_run(config, FLAGS.data_dir)
    elif FLAGS.memtest:
        program.memtest(config, FLAGS.data_dir)
    else:
        program.train(config, FLAGS.data_dir, reset=FLAGS.reset)


if __name__ == "__main__":
    app.run(main)
