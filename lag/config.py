"""LAG's parameters: names and defaults of the reference's flags."""

import dataclasses
import math
from typing import Any

from libml.errors import UserError
from libml.training.config import FREE, NAMED, PINNED, RunConfig, option
from libml.training.schedule import Schedule, at_once, growth_kimg, progressive, shortened

GAN_LOSS_NAMES = ("wasserstein", "relativistic", "pairing")
PRECISIONS = ("float32", "bfloat16", "tf32")
STEPS = ("fast", "plain")
# Names of --recipe -> the defaults that each changes. A flag that is given has the last word.
RECIPES: dict[str, dict[str, Any]] = {
    "reference": {},
    # Samples of p(x | y): y is exactly their LR version, and they differ as much as the truth does from them.
    "posterior": {
        "consistent": True,
        "gan_loss": "pairing",
        "r_gamma": 2.0,
        "center_balance": 0.5,
        "center_every": 4,
        "energy_balance": 1.0,
        "energy_every": 2,
        "z_init": 0.5,
        "rgb_init": 0.1,
        "noise_shared": 0.5,
        "lr": 0.002,
        "lr_decay": 0.1,
        "weight_avg_power": 12.0,
        "progressive": False,
    },
}
_POSITIVE = ("center_every", "energy_every", "lr_decay")
_NOT_NEGATIVE = (
    *("r_gamma", "r_gamma_end", "center_balance", "energy_balance"),
    *("z_init", "rgb_init", "noise_shared", "weight_avg_power"),
)
# A parameter -> the one that must be on for it to have an effect.
_NEEDS = {
    "r_gamma_end": "r_gamma",
    "center_balance": "mse_weight",
    "energy_every": "energy_balance",
    "z_init": "noise_dim",
    "noise_shared": "noise_dim",
    "weight_avg_power": "weight_avg",
}


@dataclasses.dataclass(frozen=True)
class LAGConfig(RunConfig):
    """Everything that defines a LAG run."""

    method = "LAG"

    recipe: str = option("reference", "Flags to begin with, any of which may be given: reference, posterior.", PINNED)
    blocks: int = option(8, "Residual blocks of G and plain blocks of P at the LR size.", NAMED)
    filters: int = option(256, "Filters at the LR size; halved at each doubling.", NAMED)
    filters_min: int = option(64, "Floor of the filters of the larger sizes.", NAMED)
    lod_min: int = option(1, "First level of detail: 1, no other. Names of run folders hold it.", NAMED)
    mse_weight: float = option(10.0, "Weight of the distance to the perceptual centre in G's loss.", NAMED)
    noise_dim: int = option(64, "Channels of the noise map z.", NAMED)
    training_kimg: int = option(2048, "Length of the training phase of each level of detail, in 1024 images.", NAMED)
    transition_kimg: int = option(2048, "Length of the transition to the next level, in 1024 images.", NAMED)
    ttur: int = option(4, "Weight of the critic's loss.", NAMED)
    wass_target: float = option(1.0, "Slope of the critic that the gradient penalty asks for.", NAMED)
    weight_avg: float = option(0.999, "Decay of the moving average of G's weights; 0 turns it off.", NAMED)
    progressive: bool = option(True, "Grow stage by stage; otherwise all stages train from the start.", PINNED)
    gan_loss: str = option("wasserstein", f"Objective of the critic: {' or '.join(GAN_LOSS_NAMES)}.", PINNED)
    r_gamma: float = option(0.0, "Weight of a zero-centred penalty in place of the gradient penalty; 0: none.", PINNED)
    r_gamma_end: float = option(0.0, "What --r_gamma falls to by the end of the run; 0: it stays.", PINNED)
    spectral_norm: bool = option(False, "Normalise P's convolutions instead of the gradient penalty.", PINNED)
    color_round: float = option(4.0, "Grey levels that LR errors are rounded to; the paper's text says 1.", PINNED)
    d_lr_mult: float = option(1.0, "Learning rate of the critic, as a multiple of --lr.", PINNED)
    encoder: bool = option(False, "Learn the z of each training image; the centre is then G(y, E(x)).", PINNED)
    encoder_weight: float = option(10.0, "Weight of the encoder's distance to N(0, 1).", PINNED)
    consistent: bool = option(False, "G's images have exactly the LR version y; delta is then 0.", PINNED)
    center_balance: float = option(
        0.0, "Most that the centre's gradient may be at an image, as a multiple of the adversarial one; 0: any.", PINNED
    )
    center_every: int = option(1, "Take the centre of every so many images of a batch.", PINNED)
    energy_balance: float = option(
        0.0, "Gradient of the energy score at an image, as a multiple of the adversarial one; 0: no such term.", PINNED
    )
    energy_every: int = option(1, "Take the energy score of every so many images of a batch.", PINNED)
    z_init: float = option(1.0, "Factor on the initial values of G's kernels of z.", PINNED)
    rgb_init: float = option(1.0, "Factor on the initial values of G's kernels to colours.", PINNED)
    noise_shared: float = option(0.0, "Share of z's channels that have one value for the whole picture.", PINNED)
    lr_decay: float = option(1.0, "Share of --lr at the end of the run; it falls over the last 40 %.", PINNED)
    weight_avg_power: float = option(
        0.0, "Average G's weights over a share of the steps that is smaller the larger this; 0: --weight_avg.", PINNED
    )
    precision: str = option("float32", "Of the convolutions: float32, bfloat16, or tf32 on GPUs.", PINNED)
    jit_compile: bool = option(False, "Compile the step's losses and gradients with XLA.", FREE)
    remat: bool = option(False, "Recompute stages in the backward pass: less memory, more time.", FREE)
    step: str = option(
        "fast", "How a step is computed: fast, or plain, slowly, as lag/model/objectives.py states it.", FREE
    )
    gradient_norms: bool = option(False, "Report the norms of the gradients of G's losses.", FREE)
    total_kimg: int = option(
        0, "Length of the whole run in 1024 images, not below that of the growth; 0: the sum of the phases.", FREE
    )

    def validate(self) -> None:
        """Raises UserError for the first parameter that is not valid."""
        super().validate()
        if self.recipe not in RECIPES:
            raise UserError(f"--recipe={self.recipe} is unknown: use {' or '.join(RECIPES)}")
        for name in ("blocks", "filters", "filters_min", "ttur", "wass_target", "color_round", "d_lr_mult", *_POSITIVE):
            if getattr(self, name) <= 0:
                raise UserError(f"--{name}={getattr(self, name)} must be positive")
        for name in ("noise_dim", "mse_weight", "encoder_weight", *_NOT_NEGATIVE):
            if getattr(self, name) < 0:
                raise UserError(f"--{name}={getattr(self, name)} cannot be negative")
        if not 0 <= self.weight_avg < 1:
            raise UserError(f"--weight_avg={self.weight_avg} must be at least 0 and below 1")
        for name in ("lr_decay", "noise_shared"):
            if getattr(self, name) > 1:
                raise UserError(f"--{name}={getattr(self, name)} must be at most 1")
        if self.gan_loss not in GAN_LOSS_NAMES:
            raise UserError(f"--gan_loss={self.gan_loss} is unknown: use {' or '.join(GAN_LOSS_NAMES)}")
        if self.precision not in PRECISIONS:
            raise UserError(f"--precision={self.precision} is unknown: use {', '.join(PRECISIONS)}")
        if self.step not in STEPS:
            raise UserError(f"--step={self.step} is unknown: use {' or '.join(STEPS)}")
        if self.step == "plain" and self.remat:
            raise UserError("--step=plain recomputes nothing: leave out --remat")
        if self.encoder and not self.noise_dim:
            raise UserError("--encoder needs a --noise_dim above 0")
        if self.lod_min != 1:
            raise UserError("--lod_min is always 1")
        self._check_together()

    def _check_together(self) -> None:
        """Raises UserError for parameters that make no sense beside others."""
        if self.consistent and self.color_round != type(self).color_round:
            raise UserError("--consistent leaves no LR error to round: leave out --color_round")
        if self.r_gamma and (self.spectral_norm or self.wass_target != 1):
            other = "--spectral_norm" if self.spectral_norm else "--wass_target"
            raise UserError(f"--r_gamma takes the place of the gradient penalty: leave out {other}")
        for name, needed in _NEEDS.items():
            if getattr(self, name) != getattr(type(self), name) and not getattr(self, needed):
                raise UserError(f"--{name} says nothing without --{needed}")
        for name in ("center_every", "energy_every"):
            if self.batch % getattr(self, name):
                raise UserError(f"--{name}={getattr(self, name)} must divide --batch={self.batch}")
        if self.energy_balance and not self.noise_dim:
            raise UserError("--energy_balance needs a --noise_dim above 0")
        if self.encoder and self.noise_shared:
            raise UserError("--encoder finds a z for each place: leave out --noise_shared")
        if self.encoder:
            used = [n for n in ("center_balance", "energy_balance") if getattr(self, n)]
            used += ["center_every"] * (self.center_every > 1) + ["gan_loss=pairing"] * (self.gan_loss == "pairing")
            if used:
                raise UserError(f"--encoder makes the centre a sample that is judged: leave out --{used[0]}")

    @property
    def presets(self) -> dict[str, Any]:
        """What --recipe makes of the defaults."""
        return RECIPES.get(self.recipe, {})

    def check_total(self, begun: bool = False) -> None:
        """Refuses a --total_kimg that ends within the growth, which would not shorten the growth.

        Args:
            begun: the run exists, so its phases can no longer change.

        Raises:
            UserError: saying how long the growth is, and the ways out.
        """
        lengths = (self.lods, self.transition_kimg, self.training_kimg)
        grown = growth_kimg(*lengths)
        if not (self.progressive and 0 < self.total_kimg < grown):
            return
        fitting = shortened(*lengths, self.total_kimg)
        phases = "--transition_kimg={} --training_kimg={}".format(*fitting or (1, 1))
        if begun:
            way = f"use --total_kimg={grown}, which ends with the growth,"
        elif fitting:
            way = f"add {phases} to grow within {self.total_kimg} kimg,"
        else:
            way = f"use {phases} and a --total_kimg of at least {growth_kimg(self.lods, 1, 1)},"
        raise UserError(
            f"--total_kimg={self.total_kimg} does not shorten LAG's growth, which takes {grown} kimg: {way} "
            f"or --total_kimg=0 for the whole schedule of {grown + self.training_kimg} kimg"
        )

    @property
    def lods(self) -> int:
        """The last level of detail, log2(scale)."""
        return self.scale.bit_length() - 1

    @property
    def least_share(self) -> int:
        """A device's part of a batch is a multiple of so many images, else it has more than every so many of them."""
        return math.lcm(self.center_every, self.energy_every)

    @property
    def shared_dim(self) -> int:
        """Channels of z that have one value for the whole picture."""
        return round(self.noise_shared * self.noise_dim)

    @property
    def consistent_with(self) -> str:
        """The downscaler that makes y of each of G's images, exactly; empty if none does."""
        return self.downscaler if self.consistent else ""

    @property
    def dtype(self) -> str:
        """Keras' name of the precision that networks train in."""
        return "mixed_bfloat16" if self.precision == "bfloat16" else "float32"

    def schedule(self) -> Schedule:
        """The phases of the run."""
        # Without growing, --total_kimg alone is the length of the run, however short.
        growth = (0, 0) if self.total_kimg and not self.progressive else (self.transition_kimg, self.training_kimg)
        growing = progressive(self.lods, *growth, self.total_kimg)
        return growing if self.progressive else at_once(self.lods, growing)
