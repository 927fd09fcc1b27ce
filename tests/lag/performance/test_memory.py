"""The estimate of a step's memory, counted by hand."""

import pytest

from lag.config import LAGConfig
from lag.model.training import LAG
from lag.performance.memory import estimate_bytes

# 16 x 16 images of 8 x 8 LR ones; 8 filters, then 4; 3 colours, 2 channels of noise. What each convolution takes in and
# makes, an upscaled one taking a quarter of its pixels and a shuffled one working at half the size.
G_VALUES = 64 * ((5 + 8) + 2 * (8 + 8)) + 256 * ((2 + 4) + (4 + 4) + (4 + 3))
P_VALUES = 256 * ((3 + 4) + (4 + 4)) + 64 * (16 + 8) + 64 * (11 + 8)
G_WEIGHTS = 9 * (5 * 8 + 2 * 8 * 8 + 8 * 4 + 4 * 4 + 4 * 3) + 8 + 2 * 8 + 4 + 4 + 3
P_WEIGHTS = 9 * (3 * 4 + 4 * 4 + 16 * 8 + 11 * 8) + 4 + 4 + 8 + 8


def estimate(**options) -> int:
    sizes = {"scale": 2, "blocks": 1, "filters": 8, "filters_min": 4, "noise_dim": 2}
    return estimate_bytes(LAG(LAGConfig(**sizes, **options), 3), size=16, batch=2)


def test_weights_and_what_two_images_keep():
    """Weights, two moments and a gradient of each network, and G's moving average."""
    weights = 4 * (5 * G_WEIGHTS + 4 * P_WEIGHTS)
    assert estimate() == 4 * 2 * (2 * G_VALUES + 5 * P_VALUES) + weights


@pytest.mark.parametrize(
    "options, g_passes, p_passes, size, p_networks",
    [
        ({"remat": True}, 0, 3, 4, 1),
        ({"precision": "bfloat16"}, 2, 5, 2, 1),
        ({"gan_loss": "relativistic", "spectral_norm": True}, 2, 3, 4, 1),
        ({"encoder": True}, 2, 7, 4, 2),
    ],
)
def test_variants_change_the_estimate(options, g_passes, p_passes, size, p_networks):
    weights = 4 * (5 * G_WEIGHTS + 4 * p_networks * P_WEIGHTS)
    assert estimate(**options) == size * 2 * (g_passes * G_VALUES + p_passes * P_VALUES) + weights
