"""Trains cGAN, a conditional GAN with a projection critic: python cgan.py --dataset=celeba128 --scale=8.

Miyato and Koyama, 2018, with the constants of the LAG paper's comparison.
"""

if __name__ == "__main__":  # before imports that take time, or may be missing
    from libml.system import entry

    entry.begin_with_tensorflow()

import dataclasses
import math
from collections.abc import Callable

import keras
import tensorflow as tf

from libml import rng
from libml.compared.config import ComparedConfig, decayed
from libml.compared.layers import batch_norm, conv2d
from libml.compared.method import ComparedGenerator, ComparedMethod
from libml.compared.program import main
from libml.errors import UserError
from libml.layers.resample import downscale2d, ilog2, upscale2d
from libml.layers.spectral_norm import SpectralNormConv2D, SpectralNormDense
from libml.system.devices import replica_share
from libml.training.config import NAMED, option
from libml.training.meters import grey_mse
from libml.training.schedule import Phase

CRITIC_BATCHES = 5  # of a step; one for the generator follows


@dataclasses.dataclass(frozen=True)
class CGANConfig(ComparedConfig):
    """Everything that defines a cGAN run."""

    method = "cGAN"
    positive = ("filters", "blocks", "noise", "lr_decay")

    lr: float = option(2e-4, "Learning rate of both Adams.", NAMED)
    filters: int = option(64, "Filters at full size; twice as many at each halving.", NAMED)
    blocks: int = option(4, "Residual blocks at the LR size.", NAMED)
    noise: int = option(128, "Channels of each noise map.", NAMED)
    lr_decay: float = option(0.1, "What the learning rate is multiplied by over the second half of the run.", NAMED)

    def validate(self) -> None:
        """Raises UserError for the first parameter that cannot be."""
        super().validate()
        if self.scale < 4:
            raise UserError(f"--scale={self.scale}: cGAN's critic needs a scale of at least 4")

    def learning_rate(self, nimg: int) -> float:
        """Constant for the first half of the run, then falling to lr * lr_decay."""
        return decayed(self.lr, self.lr_decay, nimg, self.schedule().total)


class GeneratorBlock(keras.layers.Layer):
    """A residual block of two convolutions after BatchNorm; one that upscales takes noise."""

    def __init__(self, in_filters: int, filters: int, seed: int, *, up: bool, name: str):
        """Args: channels of the input and output; seed of the network; whether it upscales by 2; its name."""
        super().__init__(name=name)
        self.up = up
        seed = rng.key(seed, name)
        self.norm_0, self.conv_0 = batch_norm("norm_0"), conv2d("conv_0", filters, 3, seed)
        self.norm_1, self.conv_1 = batch_norm("norm_1"), conv2d("conv_1", filters, 3, seed)
        self.shortcut = None if in_filters == filters else conv2d("shortcut", filters, 1, seed)
        self.built = True  # its layers build themselves; Keras cannot build from the shapes of *noise

    def call(self, x, *noise, training: bool = False) -> tf.Tensor:
        """[N, h, w, in_filters], and [N, h, w, noise] when it upscales -> [N, h, w or 2h, 2w, filters]."""
        h = tf.concat([tf.nn.relu(self.norm_0(x, training=training)), *noise], -1)
        h = self.conv_0(upscale2d(h) if self.up else h)
        h = self.conv_1(tf.nn.relu(self.norm_1(h, training=training)))
        x = x if self.shortcut is None else self.shortcut(x)  # before upscaling: the same, for a quarter of the work
        return h + (upscale2d(x) if self.up else x)


class CGANGenerator(ComparedGenerator):
    """Residual blocks at the LR size, then two at each doubling, the first of which takes a noise map."""

    def __init__(self, *, colors: int, scale: int, filters: int, blocks: int, noise: int, seed: int):
        """Builds every layer; arguments as in CGANConfig."""
        super().__init__(name="generator")
        self.scale, self.noise, self.base_blocks = scale, noise, blocks
        seed, lods = rng.key(seed, "generator"), ilog2(scale)
        widths = [(filters << lods, False)] * blocks
        for b in reversed(range(lods)):
            widths += [(filters << b, True), (filters << b, False)]
        self.block_count, channels = len(widths), colors
        for i, (width, up) in enumerate(widths):
            # Attributes, not a list: what a list holds is left out of a tf.train.Checkpoint.
            setattr(self, f"block_{i}", GeneratorBlock(channels, width, seed, up=up, name=f"block_{i}"))
            channels = width
        self.norm, self.to_image = batch_norm("norm"), conv2d("to_image", colors, 3, seed)
        self.built = True  # as GeneratorBlock
        # Makes every variable.
        self(tf.zeros([1, 4, 4, colors]), *(tf.zeros([1, *shape]) for shape in self.noise_shapes(4, 4)))

    @property
    def radius(self) -> int:
        """Followed from the image down: four convolutions at each larger size, two in each block at the LR size."""
        seen = 1
        for _ in range(ilog2(self.scale)):
            seen = -(-(seen + 4) // 2)
        return seen + 2 * self.base_blocks

    def noise_shapes(self, h: int, w: int) -> list[tuple[int, int, int]]:
        """A map at each size that is then doubled."""
        return [(h << i, w << i, self.noise) for i in range(ilog2(self.scale))]

    def call(self, lores, *noise, training: bool = False) -> tf.Tensor:
        """[N, h, w, C] in [-1, 1] and standard normal maps of noise_shapes(h, w) -> [N, scale h, scale w, C]."""
        x, maps = lores, iter(noise)
        for i in range(self.block_count):
            block = getattr(self, f"block_{i}")
            x = block(x, next(maps), training=training) if block.up else block(x, training=training)
        return tf.tanh(self.to_image(tf.nn.relu(self.norm(x, training=training))))


def _spectral_conv2d(name: str, filters: int, size: int, seed: int) -> SpectralNormConv2D:
    kernel = keras.initializers.GlorotUniform(seed=rng.small_key(seed, name))
    u_seed = rng.small_key(seed, f"{name}/u")
    return SpectralNormConv2D(filters, size, padding="same", kernel_initializer=kernel, u_seed=u_seed, name=name)


class CriticBlock(keras.layers.Layer):
    """A residual block of two spectrally normalised convolutions, with box means after them when it downscales."""

    def __init__(self, in_filters: int, filters: int, seed: int, *, down: bool = False, first: bool = False, name: str):
        """Args: channels of the input and output; seed of the network; whether it halves the size; whether its input
        is an image, on which there is no ReLU and whose shortcut is normalised too; its name.
        """
        super().__init__(name=name)
        self.down, self.first = down, first
        seed = rng.key(seed, name)
        self.conv_0 = _spectral_conv2d("conv_0", filters, 3, seed)
        self.conv_1 = _spectral_conv2d("conv_1", filters, 3, seed)
        if first:
            self.shortcut = _spectral_conv2d("shortcut", filters, 1, seed)
        else:
            self.shortcut = None if in_filters == filters else conv2d("shortcut", filters, 1, seed)

    def call(self, x) -> tf.Tensor:
        """[N, H, W, in_filters] -> [N, H or H/2, W or W/2, filters]."""
        h = self.conv_1(tf.nn.relu(self.conv_0(x if self.first else tf.nn.relu(x))))
        if self.down:
            h, x = downscale2d(h), downscale2d(x)
        return h + (x if self.shortcut is None else self.shortcut(x))

    def update_u(self) -> None:
        """As that of its spectrally normalised layers."""
        for layer in (self.conv_0, self.conv_1, *([self.shortcut] if self.first else [])):
            layer.update_u()


def critic_widths(size: int, scale: int, filters: int) -> tuple[list[tuple[int, bool]], list[tuple[int, bool]]]:
    """(filters, whether it halves the size) of the critic's blocks after the first: down to the LR size, and below it.

    Raises:
        UserError: if there is no such critic for images of `size` pixels.
    """
    lods = ilog2(scale)
    above, below = range(1, lods - 1), range(lods, ilog2(size) - 2)
    if not (above or below):
        raise UserError(f"--scale={scale} leaves cGAN's critic no layers for {size} x {size} images: use --scale=8")
    if (size // scale) % (1 << len(below)):
        raise UserError(
            f"cGAN's critic halves {size // scale} x {size // scale} LR images {len(below)} times, "
            "which does not come out even: use another --dataset or --scale"
        )
    to_lores = [(filters, False)]
    for b in (*above, lods - 1):
        to_lores += [(filters << b, True), (filters << b, False)]
    last = (*above, *below)[-1]  # may be narrower than the block before it, as in the reference
    return to_lores, [*((filters << b, True) for b in below), (filters << last, False)]


class CGANCritic(keras.Model):
    """Scores an image by itself, plus the projection of its features at the LR size on the LR image."""

    def __init__(self, *, colors: int, size: int, scale: int, filters: int, seed: int):
        """Builds every layer.

        Args:
            colors: channels of the images.
            size: their side.
            scale: how much smaller the LR images are.
            filters: as in CGANConfig.
            seed: of the run.

        Raises:
            UserError: if there is no such critic for this size and scale.
        """
        super().__init__(name="critic")
        to_lores, below = critic_widths(size, scale, filters)
        seed = rng.key(seed, "critic")
        self.first = CriticBlock(colors, filters, seed, down=True, first=True, name="first")
        self.to_lores_count, self.below_count = len(to_lores), len(below)
        self._make_blocks("to_lores", to_lores, filters, seed)
        self.projection = _spectral_conv2d("projection", colors, 3, seed)
        self._make_blocks("below", below, to_lores[-1][0], seed)
        kernel = keras.initializers.GlorotUniform(seed=rng.small_key(seed, "dense"))
        u_seed = rng.small_key(seed, "dense/u")
        self.dense = SpectralNormDense(1, kernel_initializer=kernel, u_seed=u_seed, name="dense")
        self(tf.zeros([1, size, size, colors]), tf.zeros([1, size // scale, size // scale, colors]))

    def _make_blocks(self, group: str, widths: list[tuple[int, bool]], channels: int, seed: int) -> None:
        for i, (width, down) in enumerate(widths):
            setattr(self, f"{group}_{i}", CriticBlock(channels, width, seed, down=down, name=f"{group}_{i}"))
            channels = width

    def call(self, image, lores) -> tf.Tensor:
        """[N, H, W, C] and [N, h, w, C] in [-1, 1] -> scores [N, 1]."""
        h = self.first(image)
        for i in range(self.to_lores_count):
            h = getattr(self, f"to_lores_{i}")(h)
        projection = tf.reduce_sum(self.projection(h) * lores, [1, 2, 3]) / math.sqrt(math.prod(lores.shape[1:]))
        for i in range(self.below_count):
            h = getattr(self, f"below_{i}")(h)
        return projection[:, None] + self.dense(tf.reduce_sum(h, [1, 2]) / 4)

    def update_u(self) -> None:
        """Writes the next u of every spectrally normalised layer, from the present weights."""
        for layer in self.layers:
            layer.update_u()


class CGAN(ComparedMethod):
    """Generator and critic with an Adam each; a step is five batches for the critic, then one for the generator."""

    config_type = CGANConfig
    metrics = ("dreal", "dfake", "gfake")
    batches_per_step = CRITIC_BATCHES + 1

    @classmethod
    def make_generator(cls, config: CGANConfig, colors: int) -> CGANGenerator:
        """The generator of a config."""
        names = ("scale", "filters", "blocks", "noise", "seed")
        return CGANGenerator(colors=colors, **{name: getattr(config, name) for name in names})

    def make_training(self) -> None:
        """The critic and the Adams."""
        names = ("scale", "filters", "seed")
        sizes = {name: getattr(self.config, name) for name in names}
        self.critic = CGANCritic(colors=self.colors, size=self.size, **sizes)
        self.g_optimizer = self.adam(self.generator, 0.0, 0.9, "g_adam")
        self.d_optimizer = self.adam(self.critic, 0.0, 0.9, "d_adam")

    def critic_terms(self, lores: tf.Tensor, hires: tf.Tensor, *noise: tf.Tensor) -> tuple[dict, list[tf.Tensor]]:
        """The hinge losses dreal and dfake, and the critic's gradients of their sum. Updates BatchNorm and u."""
        fake = self.generator(lores, *noise, training=True)
        with tf.GradientTape() as tape:
            scores = self.critic(tf.concat([hires, fake], 0), tf.concat([lores, lores], 0))
            real_score, fake_score = tf.split(scores, 2)
            dreal = tf.reduce_mean(tf.nn.relu(1 - real_score))
            dfake = tf.reduce_mean(tf.nn.relu(1 + fake_score))
            loss = dreal + dfake
        gradients = tape.gradient(loss, self.critic.trainable_variables)
        self.critic.update_u()
        return {"dreal": dreal, "dfake": dfake}, gradients

    def generator_terms(self, lores: tf.Tensor, *noise: tf.Tensor) -> tuple[dict, list[tf.Tensor], tf.Tensor]:
        """The loss gfake, the generator's gradients of it, and its images. Updates BatchNorm and u."""
        with tf.GradientTape() as tape:
            fake = self.generator(lores, *noise, training=True)
            gfake = -tf.reduce_mean(self.critic(fake, lores))
        gradients = tape.gradient(gfake, self.generator.trainable_variables)
        self.critic.update_u()
        return {"gfake": gfake}, gradients, fake

    def _critic_share(self, lores, hires, noise) -> tf.Tensor:
        lores, hires, *noise = replica_share([lores, hires], noise, self.local_replicas)
        losses, gradients = self.critic_terms(lores, hires, *noise)
        self.apply((self.d_optimizer, self.critic, gradients))
        return tf.stack([losses["dreal"], losses["dfake"]]) / self.replicas

    def _generator_share(self, lores, hires, noise) -> tf.Tensor:
        lores, hires, *noise = replica_share([lores, hires], noise, self.local_replicas)
        losses, gradients, fake = self.generator_terms(lores, *noise)
        self.apply((self.g_optimizer, self.generator, gradients))
        return tf.stack([losses["gfake"], grey_mse(fake, hires)]) / self.replicas

    def _update(self, share: Callable, lores: tf.Tensor, hires: tf.Tensor, position: tf.Tensor) -> tf.Tensor:
        noise = self.draw(lores, position)
        per_replica = self.strategy.run(share, args=(lores, hires, noise))
        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, per_replica, axis=None)

    @tf.function(autograph=False)
    def _train_critic(self, lores, hires, position, lr):
        self.d_optimizer.learning_rate.assign(lr)
        return self._update(self._critic_share, lores, hires, position)

    @tf.function(autograph=False)
    def _train_generator(self, lores, hires, position, lr, critic_losses, nimg):
        self.g_optimizer.learning_rate.assign(lr)
        gfake, mse = tf.unstack(self._update(self._generator_share, lores, hires, position))
        dreal, dfake = tf.unstack(tf.reduce_mean(tf.stack(critic_losses), 0))
        self.meters.update({"dreal": dreal, "dfake": dfake, "gfake": gfake, "rmse": tf.sqrt(mse)}, nimg)

    def train_step(self, batch: tuple[tf.Tensor, tf.Tensor], phase: Phase, nimg: int) -> None:
        """Trains on six global batches, stacked [6, N, H, W, C]. The losses, the critic's as means, stay on the device.

        One graph for a critic's batch and one for the generator's: a single one of all six takes several times as long
        to make, and runs no faster.
        """
        lores, hires = (tf.unstack(images) for images in batch)
        size = hires[0].shape[0] * self.workers
        # Noise follows from the number of images taken before its batch.
        positions = [tf.constant(nimg * self.batches_per_step + i * size, tf.int64) for i in range(len(hires))]
        lr = tf.constant(self.config.learning_rate(nimg), tf.float32)
        *critic, generator = zip(lores, hires, positions, strict=True)
        losses = [self._train_critic(*part, lr) for part in critic]
        self._train_generator(*generator, lr, losses, tf.constant(nimg, tf.int64))


if __name__ == "__main__":
    main(CGAN)
