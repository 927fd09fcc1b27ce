"""The module that a SavedModel holds."""

import hashlib

import keras
import tensorflow as tf

from lag.formats import picture_files
from lag.formats.picture_files import as_input, check_size, encode, size_in_header
from lag.sampling import batch_noise
from lag.trained import Trained

WEIGHTS = {"float32": tf.float32, "float16": tf.float16, "bfloat16": tf.bfloat16}
# Of a file that `encoded` decodes. A short file can claim any number of pixels, and each takes memory, as its z does.
MAX_PIXELS = 1 << 20
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

    def __init__(self, trained: Trained, weights: str = "float32"):
        """Args: what to export; the type that its weights are stored in (it computes in float32)."""
        super().__init__(name="lag")
        self.weights = []  # tf.Variables, which TensorFlow finds in a list of a tf.Module
        stand_ins = []
        for variable in trained.variables:
            stored = tf.Variable(tf.cast(variable.value, WEIGHTS[weights]), trainable=False, name=variable.path)
            self.weights.append(stored)
            stand_ins.append((variable, stored))
        image = tf.TensorSpec([None, None, None, trained.colors], tf.float32, name="lores")
        noise_map = tf.TensorSpec([None, None, None, trained.noise_dim], tf.float32, name="z")
        noise = tf.TensorSpec([], tf.float32, name="noise")
        seed = tf.TensorSpec([], tf.int64, name="seed")

        def hires(lores, z):
            values = [(variable, tf.cast(stored, tf.float32)) for variable, stored in stand_ins]
            with keras.StatelessScope(state_mapping=values):
                return trained.images(lores, z)

        def z_of(lores, noise, seed):
            n, h, w, _ = tf.unstack(tf.shape(lores))
            return noise * batch_noise(n, [h, w, trained.noise_dim], seed)

        @tf.function(input_signature=[image], autograph=False)
        def center(lores):
            z = tf.zeros([*tf.unstack(tf.shape(lores)[:3]), trained.noise_dim])
            return {"hires": hires(lores, z)}

        @tf.function(input_signature=[image, noise, seed], autograph=False)
        def sample(lores, noise, seed):
            return {"hires": hires(lores, z_of(lores, noise, seed))}

        @tf.function(input_signature=[image, noise_map], autograph=False)
        def generate(lores, z):
            return {"hires": hires(lores, z)}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="images"), noise, seed], autograph=False)
        def encoded(images, noise, seed):
            lores = _decode(images, trained.colors)
            return {"images": encode(hires(lores, z_of(lores, noise, seed)))}

        self.center, self.sample, self.generate, self.encoded = center, sample, generate, encoded

    @property
    def descriptions(self) -> dict[str, str]:
        """Signature -> what it does."""
        return SIGNATURES

    def signatures(self) -> dict:
        """Name -> function."""
        made = {"sample": self.sample, "generate": self.generate, "encoded": self.encoded}
        return {"serving_default": self.center, **made}


def _decode(files: tf.Tensor, colors: int) -> tf.Tensor:
    """Encoded images of one size, string [N], to [N, h, w, colors] in [-1, 1]; fails for more than MAX_PIXELS."""
    words = f"encoded takes {MAX_PIXELS} at most, the signature sample more"

    def decode(file):
        with tf.control_dependencies([check_size(size_in_header(file), MAX_PIXELS, words)]):
            return picture_files.decode(tf.identity(file), colors)

    return as_input(tf.map_fn(decode, files, fn_output_signature=tf.TensorSpec([None, None, colors], tf.uint8)))


def fingerprint(module: ExportedGenerator) -> str:
    """A name for the weights: equal for equal ones."""
    digest = hashlib.sha256()
    for variable in module.weights:
        digest.update(tf.io.serialize_tensor(variable).numpy())
    return digest.hexdigest()[:16]
