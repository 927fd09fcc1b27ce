"""A trained generator as a SavedModel, which runs where TensorFlow is and none of this project's code."""

import contextlib
import hashlib
import json
import os
import platform
import re
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from lag.sampling import TrainedGenerator, batch_noise, load_trained
from lag.tiling import receptive_radius
from libml import jsontext
from libml.errors import UserError
from libml.files import discard, flush_folder, lock_file, publish, remove, user_errors
from libml.images import to_float, to_levels
from libml.layers import upscale2d
from libml.run_folder import RunFolder
from libml.tfio import os_errors

KIND = "LAG generator"  # what model.json says that an export is
WEIGHTS = {"float32": tf.float32, "float16": tf.float16, "bfloat16": tf.bfloat16}
# And the whole numbers that a program needs of it, from the least to the most that they can be.
FACTS = {"scale": (2, 1 << 11), "colors": (1, 3), "noise_dim": (0, 1 << 16), "receptive_radius": (0, 1 << 16)}
FACTS |= {"nimg": (0, 1 << 60)}
CONTENT = {"assets", "fingerprint.pb", "model.json", "saved_model.pb", "variables"}  # what an export's folder can hold
FILES = {"assets", "variables", "saved_model.pb", "fingerprint.pb", "model.json"}  # what lies in its folder
LEAST_PSNR = 40.0  # dB between images made with shortened weights and with float32 ones

# That a file may make `encoded` decode. A short file can ask for any number, and all of them come with their noise.
MAX_PIXELS = 1 << 20
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"  # what their files begin with

SIGNATURES = {
    "serving_default": "lores -> hires: the image at z = 0, the centre of the plausible ones",
    "sample": (
        "lores, noise (float32 scalar), seed (int64 scalar) -> hires: z = noise * N(0, 1); the z of item i is noise * "
        "tf.random.stateless_normal([h, w, noise_dim], [seed, i], alg='philox'), whatever else is in the batch"
    ),
    "generate": "lores, z (float32 [N, h, w, noise_dim]) -> hires: the image of a noise map of your own",
    "encoded": (
        f"images (string [N], PNG or JPEG files of one size, of {MAX_PIXELS} pixels at most), noise, seed -> "
        "images (string [N], PNG): as sample"
    ),
}
NOTE = "The images are plausible ones that fit the input. They are not recovered truth: details are invented."


class ExportedGenerator(tf.Module):
    """A generator at its level of detail, with the weights of the stages in use and nothing else of the training."""

    def __init__(self, trained: TrainedGenerator, weights: str = "float32"):
        """Args: what to export; the type that its weights are stored in (it computes in float32)."""
        super().__init__(name="lag")
        generator, phase = trained.generator, trained.phase
        self.weights = []  # tf.Variables, which TensorFlow finds in a list of a tf.Module
        stand_ins = []
        for variable in (v for k in range(phase.lod_stop + 1) for v in generator.stage_variables(k)):
            stored = tf.Variable(tf.cast(variable.value, WEIGHTS[weights]), trainable=False, name=variable.path)
            self.weights.append(stored)
            stand_ins.append((variable, stored))
        image = tf.TensorSpec([None, None, None, generator.colors], tf.float32, name="lores")
        noise_map = tf.TensorSpec([None, None, None, generator.noise_dim], tf.float32, name="z")
        noise = tf.TensorSpec([], tf.float32, name="noise")
        seed = tf.TensorSpec([], tf.int64, name="seed")

        def hires(lores, z):
            values = [(variable, tf.cast(stored, tf.float32)) for variable, stored in stand_ins]
            with keras.StatelessScope(state_mapping=values):
                made = generator(lores, z, level=phase.level(trained.nimg))
            return upscale2d(made, 2 ** (generator.lods - phase.lod_stop))

        def z_of(lores, noise, seed):
            n, h, w, _ = tf.unstack(tf.shape(lores))
            return noise * batch_noise(n, [h, w, generator.noise_dim], seed)

        @tf.function(input_signature=[image], autograph=False)
        def center(lores):
            z = tf.zeros([*tf.unstack(tf.shape(lores)[:3]), generator.noise_dim])
            return {"hires": hires(lores, z)}

        @tf.function(input_signature=[image, noise, seed], autograph=False)
        def sample(lores, noise, seed):
            return {"hires": hires(lores, z_of(lores, noise, seed))}

        @tf.function(input_signature=[image, noise_map], autograph=False)
        def generate(lores, z):
            return {"hires": hires(lores, z)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="images"), noise, seed], autograph=False)
        def encoded(images, noise, seed):
            lores = _decode(images, generator.colors)
            return {"images": _encode(hires(lores, z_of(lores, noise, seed)))}

        self.center, self.sample, self.generate, self.encoded = center, sample, generate, encoded

    def signatures(self) -> dict:
        """Name -> function."""
        made = {"sample": self.sample, "generate": self.generate, "encoded": self.encoded}
        return {"serving_default": self.center, **made}


def _decode(files: tf.Tensor, colors: int) -> tf.Tensor:
    """Encoded images of one size, string [N], to [N, h, w, colors] in [-1, 1]; fails for more than MAX_PIXELS."""

    def decode(file):
        with tf.control_dependencies(_size_checks(file)):
            image = tf.io.decode_image(tf.identity(file), channels=colors, expand_animations=False)
        return tf.ensure_shape(image, [None, None, colors])

    pixels = tf.map_fn(decode, files, fn_output_signature=tf.TensorSpec([None, None, colors], tf.uint8))
    return to_float(tf.cast(pixels, tf.float32))


def _size_checks(file: tf.Tensor) -> list[tf.Operation]:
    """Operations that fail if a file is neither PNG nor JPEG, or has more than MAX_PIXELS; they read its header."""
    header = tf.strings.join([tf.strings.substr(file, 0, 24), b"\0" * 24])  # of a file that ends before, too
    is_png = tf.strings.substr(header, 0, len(PNG)) == PNG
    is_jpeg = tf.strings.substr(header, 0, len(JPEG)) == JPEG
    width, height = tf.unstack(
        tf.cond(
            is_png,
            lambda: tf.io.decode_raw(tf.strings.substr(header, 16, 8), tf.int32, little_endian=False),
            lambda: tf.cond(is_jpeg, lambda: tf.image.extract_jpeg_shape(file)[1::-1], lambda: tf.zeros(2, tf.int32)),
        ),
        num=2,
    )
    few = tf.cast(width, tf.int64) * tf.cast(height, tf.int64) <= MAX_PIXELS
    return [
        tf.debugging.Assert(is_png | is_jpeg, ["images must be PNG or JPEG files"]),
        tf.debugging.Assert(
            (width > 0) & (height > 0) & few,
            [
                "an image of",
                width,
                "x",
                height,
                f"pixels: encoded takes {MAX_PIXELS} at most, the signature sample more",
            ],
        ),
    ]


def _encode(images: tf.Tensor) -> tf.Tensor:
    """[N, H, W, C] in [-1, 1], clipped, to PNG files, string [N]."""
    pixels = tf.cast(tf.clip_by_value(tf.round(to_levels(images)), 0, 255), tf.uint8)
    return tf.map_fn(tf.io.encode_png, pixels, fn_output_signature=tf.string)


def shortened_psnr(trained: TrainedGenerator, weights: str) -> float:
    """PSNR in dB of images made with shortened weights, against float32 ones, on noise from coarse to fine.

    The worst of z = 0 and z ~ N(0, 1), as 8-bit pictures would show it: clipped to [-1, 1], with a peak of 2.
    """
    rng = np.random.default_rng(0)
    colors = trained.generator.colors
    lores = np.concatenate(
        [rng.uniform(-1, 1, [4, 16 // k, 16 // k, colors]).repeat(k, 1).repeat(k, 2) for k in (1, 2, 4, 16)]
    ).astype(np.float32)
    whole, shortened = ExportedGenerator(trained), ExportedGenerator(trained, weights)
    worst = np.inf
    for noise in (0.0, 1.0):
        a, b = (np.clip(m.sample(lores, noise, 0)["hires"], -1, 1) for m in (whole, shortened))
        worst = min(worst, 10 * np.log10(4 / max(float(np.mean((a - b) ** 2)), 1e-20)))
    return worst


def fingerprint(module: ExportedGenerator) -> str:
    """A name for the weights: equal for equal ones."""
    digest = hashlib.sha256()
    for variable in module.weights:
        digest.update(tf.io.serialize_tensor(variable).numpy())
    return digest.hexdigest()[:16]


def describe(trained: TrainedGenerator, module: ExportedGenerator, weights: str, psnr: float | None) -> dict:
    """The contents of model.json."""
    generator, config, phase = trained.generator, trained.config, trained.phase
    parameters = {k: v for k, v in config.to_json().items() if k not in ("train_dir", "save_kimg", "report_kimg")}
    return {
        "kind": KIND,
        "note": NOTE,
        "method": config.method,
        "scale": config.scale,
        "colors": generator.colors,
        "noise_dim": generator.noise_dim,
        "dataset": config.dataset,
        "downscaler": config.downscaler,
        "nimg": trained.nimg,
        "lod": trained.lod,
        "complete": trained.nimg >= config.schedule().total,
        "receptive_radius": receptive_radius(generator, phase.lod_stop),
        "ranges": {
            "lores": "float32 [N, h, w, colors] in [-1, 1]: pixel * 2 / 255 - 1; any h and w",
            "z": "float32 [N, h, w, noise_dim], standard normal, or 0 for the centre",
            "hires": "float32 [N, scale * h, scale * w, colors]; meant for [-1, 1], clip before use",
        },
        "signatures": SIGNATURES,
        "weights": weights,
        "weights_psnr": psnr,
        "fingerprint": fingerprint(module),
        "parameters": parameters,
        "versions": {"tensorflow": tf.__version__, "keras": keras.__version__, "python": platform.python_version()},
    }


def load_description(folder: Path) -> dict | None:
    """model.json of an export; None if the folder is none, or that file is not as it was written."""
    try:
        description = jsontext.parse((folder / "model.json").read_text())
    except (OSError, ValueError):
        return None
    known = isinstance(description, dict) and description.get("kind") == KIND
    known = known and all(_is_count(description.get(name), *ends) for name, ends in FACTS.items())
    known = known and isinstance(description.get("fingerprint"), str)
    return description if known and (folder / "saved_model.pb").exists() else None


def _is_count(value: object, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


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
    folder = Path(os.path.abspath(folder))
    if weights not in WEIGHTS:
        raise UserError(f"--weights={weights} is unknown: use {', '.join(WEIGHTS)}")
    check_target(folder)
    trained = load_trained(run)
    psnr = None
    if weights != "float32":
        psnr = round(shortened_psnr(trained, weights), 1)
        if psnr < LEAST_PSNR:
            raise UserError(
                f"with {weights} weights the images differ from those of float32 ones by {psnr} dB (PSNR), "
                f"which is below {LEAST_PSNR:g}: nothing exported"
            )
    module = ExportedGenerator(trained, weights)
    description = describe(trained, module, weights, psnr)
    with _alone(folder), user_errors(folder), os_errors(), _replacing(folder) as temporary:
        write_saved_model(module, temporary)
        (temporary / "model.json").write_text(json.dumps(description, indent=2) + "\n")
    return description


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
    """Exports a run into its own folder, RUN/export, unless that already holds the same weights; says which.

    Raises:
        UserError: as export_run.
    """
    folder = RunFolder(Path(run)).export
    trained, found = load_trained(run), load_description(folder)
    # Positions do not tell: a run that was reset comes by the same ones again.
    if found and (found["nimg"], found["fingerprint"]) == (trained.nimg, fingerprint(ExportedGenerator(trained))):
        print(f"{folder} is up to date")
        return
    export_run(run, folder)
    print(f"wrote {folder}: SavedModel")


def check_target(folder: Path) -> None:
    """Refuses a folder that holds anything but an export.

    Raises:
        UserError: if it does.
    """
    if not folder.exists():
        return
    content = {path.name for path in folder.iterdir()} if folder.is_dir() else {""}
    if content and not load_description(folder):
        raise UserError(f"{folder} exists and is no export of this project: choose another --output")
    if content - CONTENT:
        raise UserError(f"{folder} holds {min(content - CONTENT)}, which is no part of the export: move it elsewhere")


def _hidden(folder: Path, purpose: str) -> Path:
    """A path beside an export's folder."""
    return folder.with_name(f".{folder.name}.{purpose}")


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other program exports to the folder; what killed ones have left is gone.

    Raises:
        UserError: if another one does, or the folder holds anything but an export.
    """
    with lock_file(_hidden(folder, "lock"), f"another program is exporting to {folder}: wait until it has ended"):
        with user_errors(folder):
            _clean_up(folder)
        check_target(folder)
        yield


def _clean_up(folder: Path) -> None:
    """Removes the leftovers of killed exports; an older export that was on its way out comes back if none is there."""
    leftover = re.compile(rf"\.{re.escape(folder.name)}\.(old|tmp)[0-9a-f]*")
    for path in [p for p in folder.parent.iterdir() if leftover.fullmatch(p.name)]:
        if path.is_symlink() or not path.is_dir() or {p.name for p in path.iterdir()} - FILES:
            continue  # not of an export
        if leftover.fullmatch(path.name)[1] == "old" and load_description(path) and not folder.exists():
            os.replace(path, folder)
        else:
            remove(path)


@contextlib.contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `folder`; what was there goes once the new one is complete."""
    temporary, old = _hidden(folder, "tmp"), _hidden(folder, "old")
    try:
        yield temporary
        flush_folder(temporary)
        if folder.exists():
            os.replace(folder, old)
        publish(temporary, folder)
        remove(old)
    finally:
        discard(temporary)
        if old.exists() and not folder.exists():
            os.replace(old, folder)
