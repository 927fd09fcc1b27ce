"""Trains LAG: python lag.py --dataset=celeba128 --scale=8. See --help for the flags and README.md for the rest."""

from absl import flags

from lag.config import LAGConfig
from libml import app

FLAGS = flags.FLAGS
app.define_flags(LAGConfig)
flags.DEFINE_string("data_dir", app.default_data_dir(), "Folder of the datasets; by default $ML_DATA, then ./data.")
flags.DEFINE_list("gpus", None, "Which GPUs to use, as 0,2; by default all. TF_CONFIG names further machines.")
flags.DEFINE_boolean("skip_bad_records", False, "Skip and count records that cannot be read, instead of stopping.")
flags.DEFINE_boolean("deterministic", False, "Use only operations whose result never depends on timing.")
flags.DEFINE_string("resume", "", "Folder of a run to go on with under its own parameters; --batch may be given anew.")
flags.DEFINE_boolean("export", True, "Export a SavedModel into the run's folder at the end.")
flags.DEFINE_boolean("reset", False, "Forget what the run's folder holds and train from scratch.")
flags.DEFINE_boolean("memtest", False, "Train a few steps of the last stages, to see whether they fit in memory.")
flags.DEFINE_boolean("dry_run", False, "Print the phases, the parameters and an estimate of memory, then exit.")


def main() -> None:
    """Flags -> config -> run."""
    config, folder = app.config_and_folder(LAGConfig, FLAGS.resume)
    devices = app.device_options()
    from lag import program  # brings in TensorFlow, which --help and a mistaken flag need not wait for

    if FLAGS.dry_run:
        program.dry_run(config, folder, FLAGS.data_dir)
    elif FLAGS.memtest:
        program.memtest(config, FLAGS.data_dir, devices)
    else:
        options = {name: FLAGS[name].value for name in ("reset", "export", "skip_bad_records")}
        program.train(config, folder, FLAGS.data_dir, devices, **options)


if __name__ == "__main__":
    app.run(main)
