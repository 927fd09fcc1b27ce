"""What a run is: a frozen dataclass of its parameters, and the folder that they name."""

import dataclasses
import re
import sys
from pathlib import Path
from typing import Any, Self

from libml.errors import UserError
from libml.layers.downscalers import LEAST_LORES
from libml.system.store_path import to_path

# How a parameter belongs to a run: NAMED ones are in its folder's name, PINNED ones must be the same when it goes on
# (and are in the name when they differ from their default), FREE ones may change at any time.
NAMED, PINNED, FREE = "named", "pinned", "free"


# Whole numbers that no run comes near to, beyond which building a network would take for ever or its sizes overflow.
MOST = {"scale": 2048, "blocks": 1024, "repeat": 1024, "seed": 2**63 - 1}
MOST |= dict.fromkeys(("batch", "filters", "filters_min", "noise_dim", "noise"), 2**16)
MOST_ELSE = 2**31 - 1

MEASURES = ("swd", "lr_error", "rmse", "energy", "diversity", "spread", "rank")  # of the evaluation during training
OF_SAMPLES = ("energy", "diversity", "spread", "rank")  # those that compare several samples of an image


def check_downscaler(name: str) -> None:
    """Raises UserError if there is no such downscaler."""
    if name not in LEAST_LORES:
        raise UserError(f"--downscaler={name} is unknown: use {', '.join(LEAST_LORES)}")


def option(default: Any, help: str, role: str = FREE) -> Any:
    """A dataclass field that becomes a command-line flag of the same name, default and type."""
    return dataclasses.field(default=default, metadata={"help": help, "role": role})


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Parameters that every method shares. Defaults are the reference's."""

    method = "Method"  # first word of the run's folder

    dataset: str = option(
        "toyfaces32",
        "Data to train on; see docs/datasets.md for the names. Memory does not grow with the set: the shuffle buffer "
        "holds the numbers of 4096 records, not the records (the reference's holds 1024 records or more); images that "
        "are being decoded take 256 MiB at most, or are one image; batches that are being made likewise; up to six "
        "batches wait.",
        PINNED,
    )
    scale: int = option(4, "Upscaling factor, a power of two.", PINNED)
    downscaler: str = option("average", f"How LR images are made: {', '.join(LEAST_LORES)}.", PINNED)
    batch: int = option(16, "Global batch size, over all devices.", NAMED)
    lr: float = option(0.001, "Learning rate of Adam.", NAMED)
    total_kimg: int = option(0, "Length of the run in 1024 images.", FREE)
    train_dir: str = option("./experiments", "Folder that holds the runs.", FREE)
    save_kimg: int = option(64, "Checkpoint and preview every so many 1024 images.", FREE)
    report_kimg: int = option(64, "Report to TensorBoard every so many 1024 images.", FREE)
    eval_kimg: int = option(0, "Measure the generator on test images every so many 1024 images; 0: never.", FREE)
    eval_images: int = option(100, "Test images that --eval_kimg measures.", FREE)
    keep_best: str = option(
        "", f"Keep the checkpoint that is best by this measure of --eval_kimg in RUN/best: {', '.join(MEASURES)}.", FREE
    )
    name: str = option("", "Short name of the run: of its folder, in place of the parameters.", FREE)
    seed: int = option(0, "Seed of everything random: weights, data order, flips, noise.", PINNED)

    def validate(self) -> None:
        """Raises UserError for the first parameter that is not valid."""
        for field in dataclasses.fields(self):
            _check(field, getattr(self, field.name))
        if self.scale < 2 or self.scale & (self.scale - 1):
            raise UserError(f"--scale={self.scale} is not a power of two: use 2, 4, 8, 16, 32, ...")
        check_downscaler(self.downscaler)
        if self.name and not re.fullmatch(r"[A-Za-z0-9][\w.-]*", self.name, re.ASCII):
            raise UserError(f"--name={self.name}: a run's name is made of letters, digits, ., - and _")
        for name in ("batch", "lr", "save_kimg", "report_kimg"):
            if getattr(self, name) <= 0:
                raise UserError(f"--{name}={getattr(self, name)} must be positive")
        if self.eval_kimg < 0:
            raise UserError(f"--eval_kimg={self.eval_kimg} cannot be negative")
        if self.eval_images < 2:
            raise UserError(f"--eval_images={self.eval_images} must be at least 2")
        if self.keep_best and self.keep_best not in MEASURES:
            raise UserError(f"--keep_best={self.keep_best} is unknown: use {', '.join(MEASURES)}")
        if self.keep_best and not self.eval_kimg:
            raise UserError(f"--keep_best={self.keep_best} needs --eval_kimg=N, how often to measure")

    def check_total(self, begun: bool = False) -> None:
        """Raises UserError for a --total_kimg that would not be obeyed, of a run that is new or has begun."""

    @property
    def presets(self) -> dict[str, Any]:
        """Values that take the place of defaults, because another parameter says so."""
        return {}

    def with_presets(self, given: dict[str, Any]) -> Self:
        """With the values of the presets, but for the parameters that are given."""
        return dataclasses.replace(self, **(self.presets | given))

    @property
    def least_share(self) -> int:
        """A device's part of a batch is a multiple of so many images."""
        return 1

    @property
    def folder(self) -> Path:
        """{train_dir}/{dataset}/{downscaler}{scale}X/{Method}_{flag}{value}_..., flags in alphabetical order; or the
        run's short name in place of the last.
        """
        placed = {"dataset", "scale", "downscaler"}
        words = []
        for field in sorted(dataclasses.fields(self), key=lambda f: f.name):
            value, role = getattr(self, field.name), field.metadata["role"]
            expected = self.presets.get(field.name, field.default)
            if role == NAMED or (role == PINNED and field.name not in placed and value != expected):
                words.append(f"{field.name}{value}")
        name = self.name or "_".join([self.method, *words])
        return to_path(self.train_dir) / self.dataset / f"{self.downscaler}{self.scale}X" / name

    def changed(self) -> dict[str, tuple[Any, Any]]:
        """The parameters that differ from their defaults: name -> (value, default)."""
        fields = ((f.name, getattr(self, f.name), f.default) for f in dataclasses.fields(self))
        return {name: (value, default) for name, value, default in fields if value != default}

    def to_json(self) -> dict[str, Any]:
        """All parameters, for args.json."""
        return dataclasses.asdict(self)


def _check(field: dataclasses.Field, value: Any) -> None:
    """Refuses a value of another type than a parameter's, one that is not finite, or a number beyond all use."""
    kind = type(field.default)
    if type(value) is not kind and not (kind is float and type(value) is int):
        raise UserError(f"--{field.name}={value} must be of the type {kind.__name__}")
    if kind is float and not -sys.float_info.max <= value <= sys.float_info.max:  # nor is NaN
        raise UserError(f"--{field.name}={value} must be a finite number")
    most = MOST.get(field.name, MOST_ELSE)
    if kind is int and not -most - 1 <= value <= most:
        raise UserError(f"--{field.name}={value} is too large: {most} is the most")
