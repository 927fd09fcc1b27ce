"""Runs of google-research/lag, the TensorFlow 1 reference: the names of its variables, and reading its checkpoints."""

import math
import re
from dataclasses import fields
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from lag.config import LAGConfig
from lag.model.networks import Generator, Projection
from lag.model.training import LAG
from libml.errors import UserError, reason
from libml.system.files import user_errors
from libml.training.checkpoint import Checkpoints, Clock, list_checkpoints
from libml.training.config import NAMED
from libml.training.run_folder import RunFolder, from_args, load_args, locked, save_args

BETA_2 = 0.99  # of the reference's Adam

Names = dict[str, keras.Variable]


def generator_names(generator: Generator, lod_stop: int) -> Names:
    """Reference name -> variable of G's stages up to lod_stop: sres/stage_K/conv2d_scaled[_i]/{kernel,bias}."""
    return {name: v for k in range(lod_stop + 1) for name, v in _stage_names("sres", generator, k, "to_rgb").items()}


def critic_names(projection: Projection, lod_stop: int) -> Names:
    """Reference name -> variable of P's stages up to lod_stop: disc/stage_K/conv2d_scaled[_i]/{kernel,bias}."""
    return {name: v for k in range(lod_stop + 1) for name, v in _stage_names("disc", projection, k, "from_rgb").items()}


def _stage_names(scope: str, network: Generator | Projection, k: int, rgb: str) -> Names:
    names, count = {}, 0
    for layer in network.stage_layers(k):
        if k and layer is getattr(getattr(network, f"stage_{k}"), rgb):
            path = f"{scope}/stage_{k}/{rgb}/conv2d_scaled"
        else:
            path = f"{scope}/stage_{k}/conv2d_scaled" + (f"_{count}" if count else "")
            count += 1
        names[f"{path}/kernel"], names[f"{path}/bias"] = layer.kernel, layer.bias
    return names


def state_names(model: LAG, lod_stop: int) -> Names:
    """Reference name -> variable of all that training keeps in arrays: weights, moving averages and Adam's moments."""
    names = generator_names(model.generator, lod_stop) | critic_names(model.projection, lod_stop)
    if model.config.weight_avg:
        shadows = generator_names(model.ema, lod_stop)
        names |= {f"{name}/ExponentialMovingAverage": v for name, v in shadows.items()}
    for k in range(lod_stop + 1):
        for network, optimizer, scope, rgb in (
            (model.generator, getattr(model, f"g_optimizer_{k}"), "sres", "to_rgb"),
            (model.projection, getattr(model, f"d_optimizer_{k}"), "disc", "from_rgb"),
        ):
            # One mean and one mean square a variable, in the order of stage_variables.
            for i, name in enumerate(_stage_names(scope, network, k, rgb)):
                names[f"opt_{k}/{name}/Adam"] = optimizer._momentums[i]
                names[f"opt_{k}/{name}/Adam_1"] = optimizer._velocities[i]
    return names


def power_names(model: LAG, lod_stop: int) -> dict[str, tuple[str, keras.Variable]]:
    """Reference name of each beta2_power -> (name of its beta1_power, step count of the optimizer it belongs to).

    Both optimizers of a stage are made in the scope opt_K. The reference applies the critic's Adam first, so
    TensorFlow 1 suffixed the generator's beta powers with _1.
    """
    return {
        f"opt_{k}/beta2_power{suffix}": (
            f"opt_{k}/beta1_power{suffix}",
            getattr(model, f"{network}_optimizer_{k}").iterations,
        )
        for k in range(lod_stop + 1)
        for network, suffix in (("d", ""), ("g", "_1"))
    }


def steps_from_power(beta2_power: float, global_step: int) -> int:
    """Adam's step count t from beta2_power, which TensorFlow 1 starts at beta2 and multiplies by it at every step.

    After some 8700 steps the power is 0 in float32 and t is lost, but by then it no longer makes a difference: the
    global step, which t cannot exceed, stands in for it.

    Raises:
        ValueError: if it is no power of beta2.
    """
    if beta2_power < np.finfo(np.float32).tiny:
        return global_step
    power = math.log(beta2_power) / math.log(np.float32(BETA_2))
    if power < 0.9 or abs(power - round(power)) > 1e-3 + 1e-5 * power:  # what float32 products may lose
        raise ValueError(f"{beta2_power:g} is no power of {BETA_2}")
    return round(power) - 1


def newest_checkpoint(run: Path) -> tuple[int, str]:
    """(K, prefix) of a reference run's newest checkpoint, tf/stage_K/model.ckpt-STEP.

    Raises:
        UserError: if there is none.
    """
    found = []
    for path in run.glob("tf/stage_*/model.ckpt-*.index"):
        if match := re.fullmatch(r"stage_(\d+)/model\.ckpt-(\d+)\.index", f"{path.parent.name}/{path.name}"):
            found.append((int(match[2]), int(match[1]), str(path.with_suffix(""))))
    if not found:
        raise UserError(f"{run} holds no checkpoint of the reference: it has no tf/stage_K/model.ckpt-*.index")
    _, stage, prefix = max(found)
    return stage, prefix


def load_checkpoint(model: LAG, prefix: str, lod_stop: int) -> int:
    """Puts a reference checkpoint into a model; stages it does not have yet keep their initial values.

    Args:
        model: built with the run's parameters.
        prefix: of the checkpoint's files.
        lod_stop: K of the folder stage_K that it lies in.

    Returns:
        The global step: training steps, not images (the reference advances it by one in every step).

    Raises:
        UserError: naming every variable that is missing, extra, of another shape, or makes no sense.
    """
    values = _read(prefix)
    arrays, powers = state_names(model, lod_stop), power_names(model, lod_stop)
    scalars = {"global_step", *powers, *(beta1 for beta1, _ in powers.values())}
    shapes = {name: tuple(v.shape) for name, v in arrays.items()} | dict.fromkeys(scalars, ())
    _check_shapes({name: value.shape for name, value in values.items()}, shapes, prefix)

    global_step, steps = int(values["global_step"]), {}
    for name, (beta1, _) in powers.items():
        try:
            steps[name] = steps_from_power(float(values[name]), global_step)
        except ValueError as e:
            raise UserError(f"{prefix}: {name} {e}") from None
        if values[beta1] != 0:
            raise UserError(f"{prefix}: {beta1} is {values[beta1]:g}, and 0 in every run of the reference")
    for name, (_, iterations) in powers.items():
        iterations.assign(steps[name])
    for name, variable in arrays.items():
        variable.assign(values[name])
    return global_step


def _read(prefix: str) -> dict[str, np.ndarray]:
    try:
        reader = tf.train.load_checkpoint(prefix)
        return {name: np.asarray(reader.get_tensor(name)) for name in reader.get_variable_to_shape_map()}
    except (tf.errors.OpError, ValueError, RuntimeError, IndexError) as e:
        raise UserError(f"cannot read checkpoint {prefix}: {reason(e)}") from e


def _check_shapes(found: dict[str, tuple], expected: dict[str, tuple], prefix: str) -> None:
    problems = [f"{name} is missing" for name in sorted(expected.keys() - found.keys())]
    problems += [f"{name} is not a variable of this model" for name in sorted(found.keys() - expected.keys())]
    problems += [
        f"{name} is {list(found[name])}, should be {list(expected[name])}"
        for name in sorted(expected.keys() & found.keys())
        if found[name] != expected[name]
    ]
    if problems:
        raise UserError(f"{prefix} does not fit its args.json: {'; '.join(problems)}")


def dataset_of(run: Path) -> str:
    """The dataset's name in a run folder's path, .../DATASET/{downscaler}{scale}X/LAG_..., or ''."""
    run = run.resolve()
    return run.parent.parent.name if re.fullmatch(r"[a-z]+\d+X", run.parent.name) else ""


def run_config(run: Path, train_dir: str, dataset: str = "") -> LAGConfig:
    """The parameters of a reference run as those of one of ours.

    Args:
        run: folder of the reference run.
        train_dir: folder that is to hold ours.
        dataset: what it was trained on; by default what its path says.

    Raises:
        UserError: if it is no run, misses a parameter, or nothing says the dataset.
    """
    args = load_args(run)
    needed = {"scale", "downscaler", *(f.name for f in fields(LAGConfig) if f.metadata["role"] == NAMED)}
    if missing := sorted(needed - args.keys()):
        raise UserError(f"{run}/args/args.json lacks {', '.join(missing)}: is it a run of the reference's LAG?")
    dataset = dataset or dataset_of(run)
    if not dataset:
        raise UserError(f"the path of {run} does not say what it was trained on: add --dataset=NAME")
    config = from_args(LAGConfig, {**args, "dataset": dataset, "train_dir": train_dir})
    config.validate()
    return config


def colors_of(prefix: str) -> int:
    """Colour channels of a reference checkpoint, from its first to_rgb convolution.

    Raises:
        UserError: if it has none.
    """
    bias = _read(prefix).get("sres/stage_1/to_rgb/conv2d_scaled/bias")
    if bias is None:
        raise UserError(f"{prefix}: sres/stage_1/to_rgb/conv2d_scaled/bias is missing")
    return len(bias)


def import_run(run: Path, train_dir: str, dataset: str = "") -> tuple[Path, int]:
    """Makes one of our run folders from the newest checkpoint of a reference run.

    Args:
        run: folder of the reference run.
        train_dir: folder that is to hold ours.
        dataset: what it was trained on; by default what its path says.

    Returns:
        Our run's folder and the images it has seen. Training, sampling and export go on from there.

    Raises:
        UserError: for anything in the run that does not fit, or a folder that already holds a run.
    """
    config = run_config(run, train_dir, dataset)
    stage, prefix = newest_checkpoint(run)
    if not 1 <= stage <= config.lods:
        raise UserError(f"{prefix}: a run at scale {config.scale} has stages 1 to {config.lods}")
    folder, colors = config.folder, colors_of(prefix)
    checkpoints = RunFolder(folder).checkpoints
    if folder.resolve() == run.resolve() or list_checkpoints(checkpoints):
        raise UserError(f"{folder} already holds a run: use another --train_dir")
    model, clock = LAG(config, colors), Clock(config.seed)
    nimg = load_checkpoint(model, prefix, stage) * config.batch
    clock.nimg.assign(nimg)
    clock.data_position.assign(nimg)  # the reference forgets where it was in its data
    with locked(folder), user_errors(folder):
        save_args(config, folder, colors=colors)
        Checkpoints(checkpoints, tf.train.Checkpoint(method=model, clock=clock)).save(nimg)
    return folder, nimg
