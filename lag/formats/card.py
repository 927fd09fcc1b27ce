"""What an export says of itself: model.json for programs, README.md for people and for sites that share models."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from libml.system import jsontext
from libml.system.store_path import StorePath, to_path
from libml.training import run_folder

KINDS = re.compile(r"\w+ generator")  # what model.json says that an export is
SAVED_MODEL, ONNX = "SavedModel", "ONNX"  # its format
SAVED_MODEL_FILE, ONNX_FILE = "saved_model.pb", "model.onnx"
CARD_FILE, README_FILE = "model.json", "README.md"
# The whole numbers that a program needs of it, from the least to the most that they can be.
FACTS = {"scale": (2, 1 << 11), "colors": (1, 3), "noise_dim": (0, 1 << 16), "receptive_radius": (0, 1 << 16)}
FACTS |= {"nimg": (0, 1 << 60)}
RECOMMENDED_NOISE = 0.5  # where no evaluation has found another
NOTE = "The images are plausible ones that fit the input. They are not recovered truth: details are invented."


def kind(method: str) -> str:
    """What model.json says that an export of a method is."""
    return f"{method} generator"


def recommended_noise(card: dict[str, Any]) -> float:
    """The noise that a model's images look best with, as far as its card says."""
    noise: Any = card.get("recommended_noise")
    return float(noise) if type(noise) in (int, float) and 0 <= noise <= 10 else RECOMMENDED_NOISE


def is_noise_found(card: dict[str, Any], path: str | Path | StorePath) -> bool:
    """Whether recommended_noise is more than a default: what an evaluation found of a run, or an export's card says.

    Args:
        card: of the model.
        path: the model's.
    """
    if run_folder.RunFolder(to_path(path)).is_run():  # whose card has the default, too
        return run_folder.recommended_noise(path, card["nimg"]) is not None
    return card.get("recommended_noise") == recommended_noise(card)


def parse_card(text: str) -> dict[str, Any] | None:
    """The contents of model.json; None if it is not as it was written."""
    try:
        card = jsontext.parse(text)
    except ValueError:
        return None
    known = isinstance(card, dict) and KINDS.fullmatch(str(card.get("kind"))) is not None
    known = known and all(_is_count(card.get(name), *ends) for name, ends in FACTS.items())
    known = known and _is_count(card.get("shared_dim", 0), 0, card["noise_dim"])  # older cards have none
    return card if known and isinstance(card.get("fingerprint"), str) else None


def _is_count(value: object, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def load_description(folder: Path) -> dict[str, Any] | None:
    """model.json of an export; None if the folder is none, or that file is not as it was written."""
    try:
        text = (folder / CARD_FILE).read_text()
    except (OSError, ValueError):
        return None
    there = any((folder / name).exists() for name in (SAVED_MODEL_FILE, ONNX_FILE))
    return parse_card(text) if there else None


def write_card(folder: Path, card: dict[str, Any]) -> dict[str, Any]:
    """Writes model.json and README.md into an export's folder; returns the contents of model.json."""
    text = readme(card)
    card = {**card, "readme": _digest(text)}
    (folder / README_FILE).write_text(text, encoding="utf-8")
    (folder / CARD_FILE).write_text(json.dumps(card, indent=2) + "\n")
    return card


def has_own_readme(folder: Path) -> bool:
    """Whether the README.md of an export is another than the export wrote."""
    path = folder / README_FILE
    if not path.exists():
        return False
    written = (load_description(folder) or {}).get("readme")
    try:
        return _digest(path.read_text(encoding="utf-8")) != written
    except (OSError, ValueError):
        return True


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


FRONT_MATTER = """---
library_name: {library}
pipeline_tag: image-to-image
tags:
- super-resolution
{tags}
---
"""

BODY = """
# {method} {scale}x, trained on {dataset}

{what_it_is}

**{note}** Do not use them to identify anyone.

| | |
|---|---|
| trained on | {dataset}, {nimg} images seen, {state} |
| small pictures of the training | made by `{downscaler}` |
| colours | {colors} |
| channels of the noise | {noise_dim} |
| weights | {weights}, fingerprint {fingerprint} |

## Use

With the project, lag-tf2, where MODEL is {what}:

```python
import lag

images = lag.load("MODEL").sample(y, n=8)  # uint8: y [h, w, {colors}], images [8, {scale} h, {scale} w, {colors}]
```

Without it:

```python
{snippet}
```

- `lores`: {lores}
- `z`: {z}
- `hires`: {hires}

`model.json` has these facts, the parameters of the training and the versions of what made it. The licence of these
weights is for their owner to say; the terms of the dataset hold as well.
"""

SNIPPETS = {
    SAVED_MODEL: """import tensorflow as tf

model = tf.saved_model.load("MODEL")
hires = model.signatures["sample"](lores=lores, noise=tf.constant(1.0), seed=tf.constant(0, tf.int64))["hires"]""",
    ONNX: """import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("MODEL/model.onnx")
z = np.random.default_rng(0).standard_normal([*lores.shape[:3], {noise_dim}], np.float32)
(hires,) = session.run(["hires"], {{"lores": lores, "z": z}})""",
}
_LAG = (
    "The generator of LAG, the Latent Adversarial Generator ([paper](https://arxiv.org/abs/2003.02365)): "
    "from a small picture\n"
    "and noise to a picture {scale} times as large in either direction. Each noise gives another one; no noise, "
    "z = 0, gives\n"
    "the centre of the set."
)
_OTHER = (
    "The generator of {method}, one of the methods that LAG is compared with: from a small picture {noise}to\n"
    "a picture {scale} times as large in either direction."
)
WHAT = {SAVED_MODEL: "this folder", ONNX: "this folder or its model.onnx"}


def readme(card: dict[str, Any]) -> str:
    """README.md of an export, with the front matter that sites for models read."""
    form = card["format"]
    facts = {**card, **card["ranges"], "library": "onnx" if form == ONNX else "tensorflow", "what": WHAT[form]}
    is_lag = card["method"] == "LAG"
    facts["tags"] = "- gan\n- lag" if is_lag else f"- {card['method'].lower()}"
    facts["what_it_is"] = (_LAG if is_lag else _OTHER).format(**card, noise="and noise " if card["noise_dim"] else "")
    facts["state"] = "the whole schedule" if card["complete"] else "before the end of the schedule"
    facts["snippet"] = SNIPPETS[form].format(**facts)
    return (FRONT_MATTER + BODY).format(**facts)
