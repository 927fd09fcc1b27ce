"""Networks that measures need."""

from collections.abc import Sequence
from typing import NamedTuple

from lag.config import LAGConfig
from lag.evaluation.methods import LoadedRun, check_alike
from lag.trained import TrainedCritic, load_critic
from libml.metrics import fid
from libml.training.run_folder import from_args, load_args, run_colors


class Yardsticks(NamedTuple):
    """What is needed to measure besides the images. What is None is named in `missing`."""

    critic: TrainedCritic | None
    critic_run: str  # whose critic that is
    features: fid.Features | None
    missing: dict[str, str]  # "critic" or "features" -> why it is not there


def load_yardsticks(runs: Sequence[LoadedRun], critic_run: str, inception_weights: str, batch: int) -> Yardsticks:
    """The critic that spans the latent space, and InceptionV3.

    Args:
        runs: that are compared.
        critic_run: the LAG run whose critic it is; '' for the first of LAG's among the runs.
        inception_weights: file of InceptionV3's weights; '' for Keras' own.
        batch: images at a time.

    Raises:
        UserError: if the critic's run is none, or cannot be compared with the runs; if there is no such file.
    """
    missing = {}
    own = next((run.folder for run in runs if isinstance(run.config, LAGConfig)), "")
    critic_run = critic_run or own
    critic = _fitting_critic(critic_run, runs[0]) if critic_run else None
    if critic is None:
        missing["critic"] = "no LAG run is compared, nor named by --critic"
    features = None
    try:
        features = fid.load_features(inception_weights, batch)
    except fid.NoWeightsError as e:
        missing["features"] = f"InceptionV3's weights are not here (--inception_weights) and cannot be fetched: {e}"
    return Yardsticks(critic, critic_run, features, missing)


def _fitting_critic(folder: str, first: LoadedRun) -> TrainedCritic:
    args = load_args(folder)
    check_alike(first, folder, from_args(LAGConfig, args), run_colors(args, folder))
    return load_critic(folder)
