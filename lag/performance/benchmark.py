"""How fast training steps and the generator are, in images/s and as a share of what convolutions reach here."""

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from lag.config import LAGConfig
from lag.formats.exported import ExportedGenerator
from lag.formats.saved_model import write_saved_model
from lag.model import costs
from lag.model.build import build_generator
from lag.model.training import LAG
from lag.trained import TrainedGenerator
from libml.errors import UserError
from libml.layers.resample import DOWNSCALERS
from libml.system import hardware
from libml.system.cpu import available_cores
from libml.system.devices import check_batch
from libml.training.schedule import KIMG, Level, Phase

WARM_UP = 3  # calls that are not timed: tracing, the allocator, caches
ROUND_SECONDS = 1.0  # of one configuration, before it is the next one's turn
AT_ONCE_ON_GPUS = 8  # operations of a call that measures what a device can do
PRODUCT_ON_GPUS, PRODUCT_ON_CPUS = 8192, 2048  # rows and columns of the large product


class Speed(NamedTuple):
    """Images a second over the timed calls."""

    median: float
    low: float  # a tenth of the calls were slower
    high: float  # a tenth were faster
    calls: int


class Timed(NamedTuple):
    """Something to time."""

    name: str
    call: Callable[[int], None]  # one call, waited for; its number is the argument
    images: int  # a call
    operations: int  # an image, in the plain formulation
    precision: str  # of its convolutions, as --precision


def speeds(timed: Sequence[Timed], seconds: float, beside: Sequence[Timed] = ()) -> list[Speed]:
    """Times each in turns of about a second, after a warm-up.

    Args:
        timed: what to time.
        seconds: how long each of them, in all.
        beside: what takes turns with them for as long as that lasts.

    Returns:
        A speed for each of `timed`, then of `beside`.
    """
    turns = [*timed, *beside]
    times: list[list[float]] = [[] for _ in turns]
    for item in turns:
        _allow_tf32(item)
        for i in range(WARM_UP):
            item.call(i)
    while any(sum(t) < seconds or len(t) < 3 for t in times[: len(timed)]):
        for item, taken in zip(turns, times, strict=True):
            _allow_tf32(item)
            turn = time.perf_counter()
            while time.perf_counter() - turn < min(ROUND_SECONDS, seconds):
                start = time.perf_counter()
                item.call(WARM_UP + len(taken))
                taken.append(time.perf_counter() - start)
    return [_speed(item.images, taken) for item, taken in zip(turns, times, strict=True)]


def _allow_tf32(item: Timed) -> None:
    # One switch for all of TensorFlow, which convolutions look at when they run.
    tf.config.experimental.enable_tensor_float_32_execution(item.precision == "tf32")


def _speed(images: int, times: Sequence[float]) -> Speed:
    rates = sorted(images / t for t in times)
    tenth = len(rates) // 10
    return Speed(statistics.median(rates), rates[tenth], rates[-1 - tenth], len(rates))


def operations_at_once() -> int:
    """How many operations keep all cores of a CPU busy, or a GPU while the host waits for a call's results."""
    if hardware.on_gpus():
        return AT_ONCE_ON_GPUS
    threads = tf.config.threading.get_intra_op_parallelism_threads()
    return max(1, available_cores() // threads) if threads else 1


def convolution(precision: str) -> Timed:
    """A large convolution, what the machine does best: 3 x 3, 256 to 256 channels at 32 x 32, batch 32.

    As many of them at a time as it takes to keep all cores busy.
    """
    at_once = operations_at_once()
    dtype = tf.bfloat16 if precision == "bfloat16" else tf.float32
    x, kernel = (tf.cast(tf.random.stateless_normal(s, [0, 1]), dtype) for s in ([32, 32, 32, 256], [3, 3, 256, 256]))

    @tf.function(autograph=False)
    def convolve(x, *kernels):
        return [tf.nn.conv2d(x, kernel, 1, "SAME") for kernel in kernels]

    def call(_: int) -> None:
        for y in convolve(x, *(kernel + i for i in range(at_once))):
            y[0, 0, 0, 0].numpy()

    return Timed(f"convolution, {precision}", call, 32 * at_once, 2 * 32 * 32 * 9 * 256 * 256, precision)


def product(precision: str) -> Timed:
    """A large product of two square matrices; as many at a time as `convolution` has."""
    at_once, dtype = operations_at_once(), tf.bfloat16 if precision == "bfloat16" else tf.float32
    side = PRODUCT_ON_GPUS if hardware.on_gpus() else PRODUCT_ON_CPUS
    a, b = (tf.cast(tf.random.stateless_normal([side, side], [0, s]), dtype) for s in range(2))

    @tf.function(autograph=False)
    def multiply(a, b):
        return [tf.matmul(a + i, b)[0, 0] for i in range(at_once)]

    def call(_: int) -> None:
        for y in multiply(a, b):
            y.numpy()

    return Timed(f"product, {precision}", call, at_once, 2 * side**3, precision)


def divide_devices(replicas: int) -> None:
    """Makes so many devices of a CPU where there are no GPUs. Before TensorFlow does anything else."""
    if replicas > 1 and not hardware.on_gpus():
        hardware.divide_cpu(replicas)


def strategy_of(replicas: int) -> tf.distribute.Strategy:
    """A strategy over the first devices: GPUs, or of the CPU.

    Raises:
        UserError: if there are not so many.
    """
    names = hardware.gpus() or [device.name for device in tf.config.list_logical_devices("CPU")]
    if len(names) < replicas:
        raise UserError(f"--replicas={replicas}: there are {len(names)} devices")
    return tf.distribute.MirroredStrategy(names[:replicas])


def training_step(name: str, config: LAGConfig, size: int, lod_start: int, lod_stop: int, replicas: int = 1) -> Timed:
    """The training step of a phase on images of noise.

    Args:
        name: for tables.
        config: of the run.
        size: side of the HR images.
        lod_start: of the phase.
        lod_stop: of the phase.
        replicas: devices that share a batch.
    """
    check_batch(config.batch, replicas)
    model = LAG(config, 3, strategy_of(replicas))
    return step_of(name, model, noise_images(config, config.batch, size), lod_start, lod_stop)


def noise_images(config: LAGConfig, batch: int, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """A batch of pairs, of noise: [batch, size / scale, size / scale, 3] and [batch, size, size, 3]."""
    hires = tf.random.stateless_uniform([batch, size, size, 3], [0, 0], -1.0, 1.0)
    return DOWNSCALERS[config.downscaler](hires, config.scale), hires


def step_of(name: str, model: LAG, images: tuple[tf.Tensor, tf.Tensor], lod_start: int, lod_stop: int) -> Timed:
    """A model's step of a phase on a batch of pairs; name, lod_start and lod_stop as those of training_step."""
    phase, (batch, size, *_) = Phase(0, KIMG, lod_start, lod_stop), images[1].shape

    def call(i: int) -> None:
        model.train_step(images, phase, i * batch % KIMG)
        model.meters.steps.numpy()  # waits for the device

    return Timed(name, call, batch, costs.step_operations(model.config, 3, size, lod_stop), model.config.precision)


def generator_call(name: str, config: LAGConfig, size: int, batch: int) -> Timed:
    """The generator alone, in a tf.function, to images of the full size. Arguments as those of training_step."""
    generator = build_generator(config, 3, config.dtype)
    side = size // config.scale
    lores = tf.random.stateless_uniform([batch, side, side, 3], [0, 0], -1.0, 1.0)
    z = tf.random.stateless_normal([batch, side, side, config.noise_dim], [0, 1])

    @tf.function(autograph=False)
    def generate(lores, z):
        return generator(lores, z, level=Level(config.lods, config.lods, float(config.lods)))

    def call(_: int) -> None:
        generate(lores, z)[0, 0, 0, 0].numpy()

    return Timed(name, call, batch, 2 * costs.generator_multiply_adds(config, 3, size), config.precision)


def exported_call(name: str, config: LAGConfig, size: int, batch: int) -> Timed:
    """The `sample` signature of an export, noise drawn on the way, in float32 whatever the precision of training.

    Arguments as those of training_step.
    """
    side = size // config.scale
    lores = tf.random.stateless_uniform([batch, side, side, 3], [0, 0], -1.0, 1.0)
    trained = TrainedGenerator(build_generator(config, 3), config, config.schedule().total)
    with tempfile.TemporaryDirectory() as folder:
        write_saved_model(ExportedGenerator(trained), Path(folder))
        exported = tf.saved_model.load(folder)  # owns the variables

    def call(i: int) -> None:
        exported.sample(lores, noise=np.float32(1), seed=np.int64(i))["hires"][0, 0, 0, 0].numpy()

    return Timed(name, call, batch, 2 * costs.generator_multiply_adds(config, 3, size), "float32")
