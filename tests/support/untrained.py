"""Run folders with random weights: all that sampling, export and figures need of training."""

import tensorflow as tf

from lag.config import LAGConfig
from lag.model.training import LAG
from libml.training.checkpoint import Checkpoints, Clock
from libml.training.run_folder import save_args
from tests.support.images import TINY

KIMG = 1024


def untrained_run(train_dir, *, kimgs=(3,), colors=3, **options):
    """A run's folder with a checkpoint after each of kimgs; phases of 1 kimg, so 3 kimg are the whole of a 4x run."""
    defaults = {"dataset": "cifar10", "train_dir": str(train_dir), "training_kimg": 1, "transition_kimg": 1}
    config = LAGConfig(**{**TINY, **defaults, **options})
    config.validate()
    model, clock = LAG(config, colors), Clock(config.seed)
    for v in model.ema.variables:  # unlike G's, so that one cannot pass for the other
        v.assign(v + tf.random.stateless_normal(v.shape, [1, 2]) / 2)
    save_args(config, config.folder, colors=colors)
    for kimg in kimgs:
        nimg = int(kimg * KIMG)
        clock.nimg.assign(nimg)
        Checkpoints(config.folder / "tf", tf.train.Checkpoint(method=model, clock=clock)).save(nimg)
        model.ema.stem.bias.assign_add(tf.ones(8) / 10)  # so that the next one differs
    return config.folder
