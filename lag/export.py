"""A trained generator as a SavedModel, which runs where TensorFlow is and none of this project's code."""

import hashlib
import os
import platform
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from lag.card import KIND, NOTE, SAVED_MODEL, load_description, write_card
from lag.export_folder import check_target, new_export
from lag.sampling import TrainedGenerator, batch_noise, load_trained
from lag.tiling import receptive_radius
from libml.errors import UserError
from libml.files import remove
from libml.images import to_float, to_levels
from libml.layers import upscale2d
from libml.run_folder import RunFolder
from libml.tfio import os_errors

WEIGHTS = {"float32": tf.float32, "float16": tf.float16, "bfloat16": tf.bfloat16}
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
        "format": SAVED_MODEL,
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
    """Exports a run into its own folder, RUN/export, unless that already holds the same weights; says which.

    Raises:
        UserError: as export_run.
    """
    folder = RunFolder(Path(run)).export
    trained, found = load_trained(run), load_description(folder)
    # Positions do not tell: a run that was reset comes by the same ones again.
    made = (SAVED_MODEL, trained.nimg, fingerprint(ExportedGenerator(trained)))
    if found and (found.get("format", SAVED_MODEL), found["nimg"], found["fingerprint"]) == made:
        print(f"{folder} is up to date")
        return
    export_run(run, folder)
    print(f"wrote {folder}: SavedModel")
