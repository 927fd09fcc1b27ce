"""What is wrong with a machine, in words, from the rows of a report's parts."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
Found = Mapping[str, Sequence[Row]]  # rows by the part's name

DEVICES = "devices used"  # the row of facts that says how many
NOT_FAST = "no instructions for it"  # what facts say of bfloat16 on a CPU that has none
TESTED = "2.21"  # the version of TensorFlow that the tests ran with
LOSSES, GRADIENTS = 1e-4, 1e-3  # relative errors of a first step on several devices, beyond which something is wrong
COARSE = 1.0  # relative error of any number in another precision than float32, beyond which something is wrong
SCALES = 0.7  # of one device's rate, that each of several should have
LITTLE = 0.3  # share of a large convolution's rate that a large network's step should have
SLOW_SAVE = 30.0  # seconds of a checkpoint


def wrong(found: Found) -> list[str]:
    """A sentence for each thing that is wrong, or worth knowing before a training; none if all is well."""
    return [sentence for judge in JUDGES for sentence in judge(found)]


def _facts(found: Found) -> dict[str, Any]:
    return {row["what"]: row["is"] for row in found.get("facts", ())}


def on_gpus(facts: Sequence[Row]) -> bool:
    """Whether the rows of the facts name a GPU."""
    return any(str(row.get("what")).startswith("GPU ") for row in facts)


def _on_gpus(found: Found) -> bool:
    return on_gpus(found.get("facts", ()))


def of_facts(found: Found) -> Iterator[str]:
    """Of versions, drivers and instructions."""
    facts = _facts(found)
    version = facts.get("TensorFlow", f"{TESTED}.")
    if not version.startswith(f"{TESTED}."):
        yield f"TensorFlow {version} is installed; the tests ran with {TESTED}"
    if "NVIDIA's driver" in facts and not _on_gpus(found):
        yield (
            "there is a driver of NVIDIA's, but TensorFlow shows no GPU: pip install -r requirements-gpu.txt, and look "
            "whether CUDA_VISIBLE_DEVICES hides it"
        )
    if facts.get("bfloat16") == NOT_FAST:
        yield "this CPU has no instructions for bfloat16: leave --precision=float32"


def of_parity(found: Found) -> Iterator[str]:
    """Of the reference's numbers."""
    for row in found.get("parity", ()):
        if not row["error"] <= row.get("bound", COARSE):
            yield (
                f"{row['precision']}: {row['group']} of {row['file']} is {row['error']:.1e} from the reference's, and "
                f"{row.get('bound', COARSE):.0e} is allowed: do not trust a training in {row['precision']} here"
            )


def of_devices(found: Found) -> Iterator[str]:
    """Of several devices."""
    rows = list(found.get("devices", ()))
    alone = next((row["images/s"] for row in rows if row["devices"] == 1 and "images/s" in row), None)
    for row in rows:
        count = row["devices"]
        for name, bound in (("losses, error", LOSSES), ("gradients, error", GRADIENTS)):
            if not row.get(name, 0.0) <= bound:
                yield f"{count} devices do not take the step that one takes: {name} {row[name]:.1e}, bound {bound:.0e}"
        if alone and _on_gpus(found) and row.get("images/s", math.inf) < SCALES * count * alone:
            yield (
                f"{count} GPUs make {row['images/s'] / alone:.2f} times the images of one: they wait for one another, "
                "or for the host; a larger --batch helps"
            )


def of_speed(found: Found) -> Iterator[str]:
    """Of precisions, XLA, recomputing and what a device can do."""
    rows = list(found.get("speed", ()))
    base = {row["size"]: row for row in rows if _is(row, "float32")}
    for row in rows:
        size, plain = row["size"], base.get(row["size"])
        if plain is None:
            continue
        factor = row["images/s"] / plain["images/s"]
        if row is plain and size == "L" and row["of convolution"] < LITTLE:
            yield f"L reaches {row['of convolution']:.2f} of a large convolution's rate: most time goes elsewhere"
        elif row["precision"] != "float32" and factor < 1:
            yield f"{row['precision']} makes {size} slower ({factor:.2f} times): leave --precision=float32 at this size"
        elif row["XLA"] and factor < 1:
            yield f"XLA makes {size} slower ({factor:.2f} times): leave --jit_compile off"
        elif row["XLA"] and factor > 1.05:
            yield f"XLA makes {size} {factor:.2f} times as fast: --jit_compile is worth a try"


def _is(row: Row, precision: str) -> bool:
    return row["precision"] == precision and not row["remat"] and not row["XLA"]


def of_input(found: Found) -> Iterator[str]:
    """Of what binds: reading, or the step."""
    count = _facts(found).get(DEVICES, 1) if _on_gpus(found) else 1
    best: dict[str, float] = {}
    for row in found.get("speed", ()):
        best[row["size"]] = max(best.get(row["size"], 0.0), row["images/s"])
    for row in found.get("input", ()):
        takes = count * best.get(row["size"], 0.0)
        if row["pipeline, images/s"] < takes:
            yield (
                f"the input binds at {row['size']}: {count} device(s) take {takes:.0f} images/s, and reading gives "
                f"{row['pipeline, images/s']:.0f} (decoding alone {row['decoding, images/s']:.0f}): more cores help"
            )


def of_store(found: Found) -> Iterator[str]:
    """Of checkpoints."""
    for row in found.get("checkpoint", ()):
        if row["saving, s"] > SLOW_SAVE:
            yield f"a checkpoint of {row['size']} takes {row['saving, s']:.0f} s: the disk is slow; raise --save_kimg"


def of_curve(found: Found) -> Iterator[str]:
    """Of the short training."""
    for row in found.get("training", ()):
        for name in [name for name in row if f"{name}, band" in row]:
            low, high = row[f"{name}, band"]
            if not low <= row[name] <= high:
                yield (
                    f"the training's {name} after {row['kimg']} kimg is {row[name]:.4g}: {low:.4g} to {high:.4g} "
                    "is usual: do not trust a training here"
                )


JUDGES = (of_facts, of_parity, of_devices, of_speed, of_input, of_store, of_curve)
