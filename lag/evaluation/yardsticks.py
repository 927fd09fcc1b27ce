"""Networks that measures need."""

from collections.abc import Sequence
from typing import NamedTuple

from lag.config import LAGConfig
from lag.evaluation.methods import LoadedRun, check_alike
from lag.trained import TrainedCritic, load_critic
from libml.metrics import fid
from libml.metrics.lite0 import Lite0, NoPackageError
from libml.training.run_folder import from_args, load_args, run_colors


class Yardsticks(NamedTuple):
    """What is needed to measure besides the images. What is None is named in `missing`."""

    critic: TrainedCritic | None
    critic_run: str  # whose critic that is
    inception: fid.Inception | None
    lite0: Lite0 | None
    missing: dict[str, str]  # the field -> why it is not there


def load_yardsticks(
    runs: Sequence[LoadedRun], critic_run: str, inception_weights: str, batch: int, with_lite0: bool = True
) -> Yardsticks:
    """The critic that spans the latent space, InceptionV3 and EfficientNet-Lite0.

    Args:
        runs: that are compared.
        critic_run: the LAG run whose critic it is; '' for the first of LAG's among the runs.
        inception_weights: file of InceptionV3's weights, or imagenet, which Keras downloads; '' if there is none.
        batch: images at a time.
        with_lite0: whether EfficientNet-Lite0 is wanted.

    Raises:
        UserError: if critic_run is no LAG run, or cannot be compared with the runs; if there is no such file.
    """
    missing = {}
    own = next((run.folder for run in runs if isinstance(run.config, LAGConfig)), "")
    critic_run = critic_run or own
    critic = _fitting_critic(critic_run, runs[0]) if critic_run else None
    if critic is None:
        missing["critic"] = "no LAG run is compared, nor named by --critic"
    inception = lite0 = None
    try:
        inception = fid.Inception(inception_weights, batch)
    except fid.NoWeightsError as e:
        missing["inception"] = str(e)
    if not with_lite0:
        missing["lite0"] = "--nolite0 leaves EfficientNet-Lite0 out"
    else:
        try:
            lite0 = Lite0(batch)
        except NoPackageError as e:
            missing["lite0"] = f"EfficientNet-Lite0's weights are not installed: {e}"
    return Yardsticks(critic, critic_run, inception, lite0, missing)


def _fitting_critic(folder: str, first: LoadedRun) -> TrainedCritic:
    args = load_args(folder)
    check_alike(first, folder, from_args(LAGConfig, args), run_colors(args, folder))
    return load_critic(folder)
