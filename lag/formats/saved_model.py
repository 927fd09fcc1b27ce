"""A trained generator as a SavedModel, which runs where TensorFlow is and none of this project's code."""

import platform
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from lag.any_method import load_any
from lag.formats.card import NOTE, RECOMMENDED_NOISE, SAVED_MODEL, kind, load_description, write_card
from lag.formats.export_folder import check_target, new_export
from lag.formats.exported import WEIGHTS, ExportedGenerator, fingerprint
from lag.trained import Trained
from libml.errors import UserError
from libml.system.files import remove
from libml.system.store_path import absolute, to_path
from libml.system.tfio import os_errors
from libml.training.run_folder import RunFolder, recommended_noise

LEAST_PSNR = 40.0  # dB between images made with shortened weights and with float32 ones


def shortened_psnr(trained: Trained, weights: str) -> float:
    """PSNR in dB of images made with shortened weights, against float32 ones, on noise from coarse to fine.

    The worst of z = 0 and z ~ N(0, 1), as 8-bit pictures would show it: clipped to [-1, 1], with a peak of 2.
    """
    rng = np.random.default_rng(0)
    colors = trained.colors
    lores = np.concatenate(
        [rng.uniform(-1, 1, [4, 16 // k, 16 // k, colors]).repeat(k, 1).repeat(k, 2) for k in (1, 2, 4, 16)]
    ).astype(np.float32)
    whole, shortened = ExportedGenerator(trained), ExportedGenerator(trained, weights)
    worst = np.inf
    for noise in (0.0, 1.0):
        a, b = (np.clip(m.sample(lores, noise, 0)["hires"], -1, 1) for m in (whole, shortened))
        worst = min(worst, 10 * np.log10(4 / max(float(np.mean((a - b) ** 2)), 1e-20)))
    return worst


SHARED = "; of the first shared_dim channels only z[:, 0, 0] counts, for the whole picture"
# Parameters of where and how a run is watched, which say nothing of the model.
OF_WATCHING = ("train_dir", "save_kimg", "report_kimg", "eval_kimg", "eval_images", "keep_best")


def _noise(trained: Trained, run: str | Path) -> float:
    """The noise to recommend: what an evaluation of the checkpoint found, or a default."""
    if not trained.noise_dim:
        return 0.0
    found = recommended_noise(run, trained.nimg)
    # The energy score spreads samples at noise 1 as far as the truth is.
    unmeasured = 1.0 if getattr(trained.config, "energy_balance", 0.0) else RECOMMENDED_NOISE
    return unmeasured if found is None else found


def describe(
    trained: Trained, module: ExportedGenerator, run: str | Path, weights: str = "float32", psnr: float | None = None
) -> dict:
    """The contents of model.json."""
    config = trained.config
    shared = getattr(config, "shared_dim", 0)
    parameters = {k: v for k, v in config.to_json().items() if k not in OF_WATCHING}
    return {
        "kind": kind(config.method),
        "format": SAVED_MODEL,
        "note": NOTE,
        "method": config.method,
        "scale": config.scale,
        "colors": trained.colors,
        "noise_dim": trained.noise_dim,
        "shared_dim": shared,
        "recommended_noise": _noise(trained, run),
        "dataset": config.dataset,
        "downscaler": config.downscaler,
        "nimg": trained.nimg,
        "lod": trained.lod,
        "complete": trained.nimg >= config.schedule().total,
        "receptive_radius": trained.radius,
        "ranges": {
            "lores": "float32 [N, h, w, colors] in [-1, 1]: pixel * 2 / 255 - 1; any h and w",
            "z": "float32 [N, h, w, noise_dim], standard normal, or 0 for the centre" + (SHARED if shared else ""),
            "hires": "float32 [N, scale * h, scale * w, colors]; meant for [-1, 1], clip before use",
        },
        "signatures": module.descriptions,
        "weights": weights,
        "weights_psnr": psnr,
        "fingerprint": fingerprint(module),
        "parameters": parameters,
        "versions": {"tensorflow": tf.__version__, "keras": keras.__version__, "python": platform.python_version()},
    }


def measured(run: str | Path, weights: str) -> tuple[Trained, float | None]:
    """The generator of a run's newest checkpoint, and in dB how near images of shortened weights come.

    Raises:
        UserError: if there is none, or shorter weights would change the images by more than LEAST_PSNR allows.
    """
    if weights not in WEIGHTS:
        raise UserError(f"--weights={weights} is unknown: use {', '.join(WEIGHTS)}")
    trained = load_any(run)
    if weights == "float32":
        return trained, None
    psnr = round(shortened_psnr(trained, weights), 1)
    if psnr < LEAST_PSNR:
        raise UserError(
            f"with {weights} weights the images differ from those of float32 ones by {psnr} dB (PSNR), "
            f"which is below {LEAST_PSNR:g}: nothing exported"
        )
    return trained, psnr


def export_run(run: str | Path, folder: str | Path, weights: str = "float32") -> dict:
    """Exports the generator of a run's newest checkpoint: a SavedModel with model.json inside, whole or not at all.

    Args:
        run: folder of the run.
        folder: where to export to; an older export there is replaced, anything else is left alone.
        weights: float32; or float16 or bfloat16, for half the size.

    Returns:
        The contents of model.json.

    Raises:
        UserError: if there is nothing to export, the folder holds something else, or the shorter weights would change
            the images by more than LEAST_PSNR allows.
    """
    folder = absolute(folder)
    check_target(folder)
    trained, psnr = measured(run, weights)
    module = ExportedGenerator(trained, weights)
    description = describe(trained, module, run, weights, psnr)
    with new_export(folder) as temporary, os_errors():
        write_saved_model(module, temporary)
        return write_card(temporary, description)


def write_saved_model(module: ExportedGenerator, folder: Path) -> None:
    """Writes the SavedModel alone."""
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(module, str(folder), signatures=module.signatures(), options=options)
    _forget_gradients(folder)


def _forget_gradients(folder: Path) -> None:
    """Takes the marks of custom gradients out of a SavedModel.

    They ask for functions that only training has; TensorFlow would warn of each when the model is loaded. Without them
    the operations have the gradients that TensorFlow gives them, which are the same.
    """
    path = folder / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for graph in model.meta_graphs:
        nodes = [*graph.graph_def.node, *(n for f in graph.graph_def.library.function for n in f.node_def)]
        for node in nodes:
            node.attr.pop("_gradient_op_type", None)
    path.write_bytes(model.SerializeToString(deterministic=True))
    remove(folder / "fingerprint.pb")  # of the file as it was


def export_at_end(run: str | Path) -> None:
    """Exports a run into its own folder, RUN/export, unless that already holds the same; says which.

    Raises:
        UserError: as export_run.
    """
    folder = RunFolder(to_path(run)).export
    trained, found = load_any(run), load_description(folder)
    # nimg alone does not tell: a run that was reset comes by the same numbers again.
    made = {"format": SAVED_MODEL, "nimg": trained.nimg, "fingerprint": fingerprint(ExportedGenerator(trained))}
    made["recommended_noise"] = _noise(trained, run)
    if found and made == {name: ({"format": SAVED_MODEL} | found).get(name) for name in made}:
        print(f"{folder} is up to date")
        return
    export_run(run, folder)
    print(f"wrote {folder}: SavedModel")
