"""The networks of a run, from its parameters. They start from the run's seed."""

from lag.config import LAGConfig
from lag.model.encoder import Encoder
from lag.model.networks import Generator, Projection

SIZES = ("scale", "blocks", "filters", "filters_min", "seed")


def _picked(config: LAGConfig, *names: str) -> dict:
    return {name: getattr(config, name) for name in (*SIZES, *names)}


def build_generator(config: LAGConfig, colors: int, dtype: str = "float32") -> Generator:
    """G for images of so many channels; dtype is Keras' name of the precision."""
    return Generator(colors=colors, dtype=dtype, **_picked(config, "noise_dim", "shared_dim", "consistent_with"))


def build_projection(config: LAGConfig, colors: int, dtype: str = "float32") -> Projection:
    """P; arguments as those of build_generator."""
    return Projection(colors=colors, dtype=dtype, **_picked(config, "spectral_norm"))


def build_encoder(config: LAGConfig, colors: int, dtype: str = "float32") -> Encoder:
    """E; arguments as those of build_generator."""
    return Encoder(colors=colors, dtype=dtype, **_picked(config, "noise_dim"))
