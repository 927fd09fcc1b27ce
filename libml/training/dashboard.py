"""How TensorBoard shows a run: charts in groups on its page Custom Scalars, words for each scalar, hyperparameters."""

import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.custom_scalar import summary as custom_scalar
from tensorboard.plugins.custom_scalar.metadata import CONFIG_SUMMARY_TAG
from tensorboard.plugins.hparams import summary_v2 as hparams


class Chart(NamedTuple):
    """Curves in one pair of axes."""

    title: str
    tags: tuple[str, ...]


GROUPS = {  # the same for every method, so that TensorBoard merges the charts of several runs
    "critic": (
        Chart("gap", ("gap",)),
        Chart("real and generated images", ("dreal", "dfake")),
        Chart("gradient penalty", ("gp",)),
    ),
    "generator": (
        Chart("adversarial loss", ("gfake", "ggan")),
        Chart("distance to the real images", ("gmse", "gpcp")),
        Chart("encoder's distance to N(0, 1)", ("gkl",)),
        Chart("energy score in P's latent space", ("energy",)),
        Chart("balance: factors of the terms", ("center_scale", "energy_scale")),
        Chart("balance: gradients at the images", ("slope_gan", "slope_center", "slope_energy")),
        Chart("balance: gradients in the weights", ("grad_gan", "grad_center", "grad_energy")),
    ),
    "quality": (
        Chart("rmse on training images", ("rmse", "rmse_ema")),
        Chart("rmse on test images", ("eval/rmse",)),
        Chart("sliced Wasserstein distance", ("eval/swd",)),
        Chart("energy score", ("eval/energy",)),
        Chart("LR error", ("eval/lr_error",)),
        Chart("distance of two samples", ("eval/diversity",)),
        Chart("spread of samples, 1 when right", ("eval/spread",)),
        Chart("rank of the truth among samples, 0.5 when right", ("eval/rank",)),
    ),
    "speed": (
        Chart("images per second", ("images_per_second",)),
        Chart("share of the time that waits for data", ("data_wait",)),
        Chart("records that could not be read", ("skipped_records",)),
    ),
    "schedule": (Chart("level of detail", ("lod",)), Chart("learning rate", ("lr",))),
}

STEP = "The horizontal axis is kimg, 1024 training images each."
MEANINGS = {
    "gap": "The Wasserstein critic's gap -(dreal + dfake): how far it tells real images from generated ones.",
    "dreal": "The term of the critic's loss on real images, mean since the last report.",
    "dfake": "The term of the critic's loss on generated images, mean since the last report.",
    "gp": "The gradient penalty of the critic's loss, mean since the last report.",
    "gfake": "The adversarial term of the generator's loss, mean since the last report.",
    "ggan": "The adversarial term of the generator's loss, mean since the last report.",
    "gmse": "The distance of generated images to the real ones in the generator's loss; LAG's is in P's latent space.",
    "gpcp": "The distance of generated images to the real ones in VGG19's features.",
    "gkl": "The distance of the encoder's distributions to N(0, 1), nats an image.",
    "energy": "The energy score of two samples in P's latent space, mean since the last report.",
    "center_scale": "The factor of the centre's term that --center_balance sets.",
    "energy_scale": "The factor of the energy score that --energy_balance sets.",
    "slope_gan": "How large the gradient of the adversarial term is at the generated images.",
    "slope_center": "How large the gradient of the centre's term is at the generated images.",
    "slope_energy": "How large the gradient of the energy score is at the generated images.",
    "grad_gan": "Euclidean norm of the gradient of the adversarial term in the generator's weights.",
    "grad_center": "Euclidean norm of the gradient of the centre's term in the generator's weights.",
    "grad_energy": "Euclidean norm of the gradient of the energy score in the generator's weights.",
    "rmse": "Root mean square error at z = 0, grey levels of 0 to 255; of the raw weights on training images.",
    "rmse_ema": "The same of the moving average of the generator's weights, on one batch.",
    "images_per_second": "Training images a second since the last report.",
    "data_wait": "Share of the time since the last report that was spent waiting for data, 0 to 1.",
    "skipped_records": "Records that could not be read, since the run's first image.",
    "lod": "Level of detail k: the generator's images are 2^k times as large as its inputs.",
    "lr": "Learning rate.",
    "eval/rmse": "Root mean square error of the centre on the test images that --eval_kimg measures, grey levels.",
    "eval/swd": "Sliced Wasserstein distance x 1000 of a sample of each test image to the test images.",
    "eval/energy": "|x - G| - |G - G'| / 2 of truth x and samples G, grey levels: the smaller the better.",
    "eval/lr_error": "Mean difference of samples, made small again, to the input, grey levels.",
    "eval/diversity": "|G - G'|, root mean square distance of two samples of an image, grey levels.",
    "eval/spread": "|G - G'| / |x - G|: 1 when samples are spread as the truth is, below 1 when they are too alike.",
    "eval/rank": "Share of samples that are nearer to the centre than the truth is: 0.5 when right, 1 when too near.",
    "candidates": "Fixed test images: the original, the input, the centre, and samples of always the same noise.",
}


def meaning(tag: str) -> str:
    """What a scalar is, for its description in TensorBoard."""
    return f"{MEANINGS[tag]} {STEP}" if tag in MEANINGS else STEP


def is_layout(tag: str) -> bool:
    """Whether a value of this tag is a layout."""
    return tag == CONFIG_SUMMARY_TAG


def layout(tags: Collection[str]) -> Summary:
    """The charts of a run that has these scalars; those that no group has make a group of their own."""
    groups = {name: [chart for chart in charts if set(chart.tags) & set(tags)] for name, charts in GROUPS.items()}
    known = {tag for charts in GROUPS.values() for chart in charts for tag in chart.tags}
    groups["other"] = [Chart(tag, (tag,)) for tag in tags if tag not in known]
    categories = [
        layout_pb2.Category(title=name, chart=[_proto(chart) for chart in charts])
        for name, charts in groups.items()
        if charts
    ]
    return custom_scalar.pb(layout_pb2.Layout(category=categories))


def _proto(chart: Chart) -> layout_pb2.Chart:
    content = layout_pb2.MultilineChartContent(tag=[f"^{re.escape(tag)}$" for tag in chart.tags])
    return layout_pb2.Chart(title=chart.title, multiline=content)


def hyperparameters(values: Mapping[str, Any]) -> Summary:
    """Parameters for TensorBoard's page HParams: the start of a session that has them."""
    return hparams.hparams_pb(dict(values))
