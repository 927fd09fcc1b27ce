"""The sizes of LAG that benchmarks measure. No TensorFlow."""

SCALE = 8
# Side of the HR image, and what differs from the defaults.
SIZES = {
    "S": (32, {"filters": 64, "filters_min": 16, "blocks": 2, "noise_dim": 16}),
    "M": (64, {"filters": 128, "filters_min": 32, "blocks": 4, "noise_dim": 32}),
    "L": (128, {}),
}
