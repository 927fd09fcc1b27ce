"""A generator as TensorFlow Serving serves it: what a request can ask for is bounded, and pictures come as files."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from lag.formats import picture_files
from lag.formats.card import write_card
from lag.formats.exported import SIGNATURES, ExportedGenerator
from lag.formats.picture_files import as_input, check_size, encode, size_in_header
from lag.formats.saved_model import describe, measured, write_saved_model
from lag.formats.versions import check_base, new_version
from lag.formats.warmup import write_warm_up
from lag.trained import Trained
from libml.errors import UserError
from libml.images import encode_png
from libml.system.store_path import absolute
from libml.system.tfio import os_errors

MAX_PIXELS, LARGEST_MAX_PIXELS = 1 << 16, 1 << 20  # of a request's small pictures together: by default, and at most
MAX_BYTES = 1 << 24  # of a request's files together
MAX_NOISE = 10.0
WARM_UP_SIDE = 16  # of the small pictures of the requests that warm up


class ServedGenerator(ExportedGenerator):
    """The generator of an export; its signatures refuse requests of more pixels than they were made for."""

    def __init__(self, trained: Trained, weights: str = "float32", max_pixels: int = MAX_PIXELS):
        """Args: what to export; the type of its weights; pixels of a request's small pictures together."""
        super().__init__(trained, weights)
        self._max_pixels, self._channels = max_pixels, (trained.colors, trained.noise_dim)

    @property
    def descriptions(self) -> dict[str, str]:
        """Signature -> what it does."""
        most = f"{self._max_pixels} pixels at most in a request"
        made = {name: f"{SIGNATURES[name]}; {most}" for name in ("serving_default", "sample", "generate")}
        made["pictures"] = (
            f"image_bytes (string [N], PNG or JPEG files of any sizes; {most}, and {MAX_BYTES} bytes), noise (float32 "
            "[N]), seed (int64 [N]) -> hires_bytes (string [N], PNG): each is the one that sample makes of it alone"
        )
        return made

    def signatures(self) -> dict:
        """Name -> function."""
        made = {name: self._bounded(function) for name, function in super().signatures().items() if name != "encoded"}
        return {**made, "pictures": self._pictures()}

    def _bounded(self, function):
        most = self._max_pixels

        @tf.function(input_signature=function.input_signature, autograph=False)
        def bounded(lores, *others):
            pixels = tf.reduce_prod(tf.shape(lores, tf.int64)[:3])
            few = tf.debugging.Assert(pixels <= most, [f"a request has {most} pixels at most, and this one", pixels])
            with tf.control_dependencies([few]):
                return function(tf.identity(lores), *others)

        return bounded

    def _pictures(self):
        colors = self._channels[0]
        strings = tf.TensorSpec([None], tf.string, name="image_bytes")
        noises, seeds = tf.TensorSpec([None], tf.float32, name="noise"), tf.TensorSpec([None], tf.int64, name="seed")

        def picture(of_one):
            file, noise, seed = of_one
            lores = as_input(picture_files.decode(file, colors))
            (png,) = tf.unstack(encode(self.sample(lores[None], noise, seed)["hires"]), num=1)
            return png

        @tf.function(input_signature=[strings, noises, seeds], autograph=False)
        def pictures(image_bytes, noise, seed):
            with tf.control_dependencies(self._checks(image_bytes, noise, seed)):
                inputs = (tf.identity(image_bytes), noise, seed)
            # One by one: memory is that of the largest, and sizes may differ.
            return {"hires_bytes": tf.map_fn(picture, inputs, fn_output_signature=tf.string, parallel_iterations=1)}

        return pictures

    def _checks(self, files: tf.Tensor, noise: tf.Tensor, seed: tf.Tensor) -> list[tf.Operation]:
        """Operations that fail for a request that asks for too much; they decode nothing."""
        most = self._max_pixels
        counts = tf.stack([tf.size(files), tf.size(noise), tf.size(seed)])
        size = tf.reduce_sum(tf.cast(tf.strings.length(files), tf.int64))
        small = [
            tf.debugging.Assert(tf.reduce_all(counts == counts[0]), ["images, noises and seeds, of each one:", counts]),
            tf.debugging.Assert(
                tf.reduce_all((noise >= 0) & (noise <= MAX_NOISE)), [f"noise must be from 0 to {MAX_NOISE:g}"]
            ),
            tf.debugging.Assert(size <= MAX_BYTES, [f"a request has {MAX_BYTES} bytes at most, and this one", size]),
        ]

        def pixels(file):
            dimensions = size_in_header(file)
            with tf.control_dependencies([check_size(dimensions, most, f"a request has {most} at most")]):
                return tf.reduce_prod(dimensions)

        with tf.control_dependencies(small):
            total = tf.reduce_sum(tf.map_fn(pixels, tf.identity(files), fn_output_signature=tf.int64))
        return [tf.debugging.Assert(total <= most, [f"a request has {most} pixels at most, and this one", total])]

    def warm_up_requests(self) -> dict[str, dict[str, Any]]:
        """Signature -> inputs of a small request."""
        side = min(WARM_UP_SIDE, math.isqrt(self._max_pixels))
        colors, noise_dim = self._channels
        lores, z = (np.zeros([1, side, side, channels], np.float32) for channels in (colors, noise_dim))
        file = encode_png(np.zeros([side, side, colors], np.uint8))
        return {
            "pictures": {"image_bytes": [file], "noise": np.ones(1, np.float32), "seed": np.zeros(1, np.int64)},
            "serving_default": {"lores": lores},
            "sample": {"lores": lores, "noise": np.float32(1), "seed": np.int64(0)},
            "generate": {"lores": lores, "z": z},
        }


def export_version(
    run: str | Path, base: str | Path, weights: str = "float32", max_pixels: int = MAX_PIXELS
) -> tuple[Path, dict]:
    """Exports the generator of a run's newest checkpoint as the next version in a folder that Serving watches.

    Args:
        run: folder of the run.
        base: the folder that Serving watches; it holds the versions 1, 2, ...
        weights: float32; or float16 or bfloat16, for half the size.
        max_pixels: of a request's small pictures together.

    Returns:
        The version's folder, and the contents of model.json.

    Raises:
        UserError: as saved_model.export_run; or if the folder is itself an export.
    """
    base = absolute(base)
    if not 1 <= max_pixels <= LARGEST_MAX_PIXELS:
        raise UserError(f"--max_pixels={max_pixels} must be from 1 to {LARGEST_MAX_PIXELS}")
    check_base(base)
    trained, psnr = measured(run, weights)
    module = ServedGenerator(trained, weights, max_pixels)
    card = describe(trained, module, run, weights, psnr) | {"max_pixels": max_pixels}
    with new_version(base) as (folder, temporary), os_errors():
        write_saved_model(module, temporary)
        write_warm_up(temporary, module.warm_up_requests())
        return folder, write_card(temporary, card)
