"""The standard datasets: of files at hand, or fetched by TensorFlow Datasets (TFDS)."""

import functools
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf

from libml.datasets import manifest, records
from libml.datasets.catalogue import STANDARD, Standard
from libml.datasets.making import build
from libml.datasets.making.fetched import fetched
from libml.datasets.originals.celeba_lists import ATTRIBUTE_NAMES
from libml.datasets.originals.sources import Originals, decodable
from libml.errors import UserError
from libml.system.counting import Counting
from libml.system.store_path import to_path


def _labelled(features: dict[str, Any]) -> bytes:
    return records.example(features["image"], int(features.get("label", 0)))


def _celeba(features: dict[str, Any]) -> bytes:
    floats = {}
    if "attributes" in features:
        floats["attrs"] = [float(features["attributes"][name]) for name in ATTRIBUTE_NAMES]
    identity = int(features["identity"]["Identity_No"]) if "identity" in features else 1
    return records.example(features["image"], identity - 1, **floats)


def _imagenet(features: dict[str, Any]) -> bytes:
    feature = {
        "image/encoded": tf.train.Feature(bytes_list=tf.train.BytesList(value=[features["image"]])),
        "image/class/label": tf.train.Feature(int64_list=tf.train.Int64List(value=[int(features["label"]) + 1])),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString(deterministic=True)


RECORDS: dict[str, Callable[[dict[str, Any]], bytes]] = {  # of TFDS's features, images still encoded
    "labelled": _labelled,
    "celeba": _celeba,
    "imagenet": _imagenet,
}


def make(name: str, data_dir: str, tfds_dir: str, overwrite: bool, source: str = "") -> dict[str, Any] | None:
    """Makes one standard set.

    Args:
        name: one of STANDARD.
        data_dir: where to put it.
        tfds_dir: where TFDS keeps its downloads and its own copy.
        overwrite: make it again where it is complete.
        source: file or folder of the original files; '' fetches them.

    Returns:
        The manifest, or None if the dataset was complete.

    Raises:
        UserError: if the originals are not there; if they cannot be fetched, saying what to fetch by hand and where to
            put it; if files are in the way, or the file system refuses.
    """
    standard, place = STANDARD[name], to_path(data_dir)
    made = (place, name, list(standard.splits), {}, overwrite)
    if build.already_complete(*made):
        return None
    originals = at_hand(standard, source) if source else None
    with build.building(place, name) as work:
        if build.already_complete(*made):  # another program made it meanwhile
            return None
        content = write(originals or fetched(standard, tfds_dir), standard, work)
        build.publish(work, place, content)
    return content


def at_hand(standard: Standard, path: str) -> Originals:
    """A standard set's original files at a path.

    Raises:
        UserError: saying what is wanted, if they are not there or cannot be read.
    """
    module, *which = standard.originals
    return importlib.import_module(f"libml.datasets.originals.{module}").read(path, *which)


def write(originals: Originals, standard: Standard, work: Path) -> dict[str, Any]:
    """Writes all splits of a standard set into a build's folder.

    Returns:
        The manifest.

    Raises:
        UserError: if a split is missing or has too few images, or the file system refuses.
    """
    total = sum(originals.splits[source].count for sources in standard.splits.values() for source in sources)
    with Counting(f"writing {standard.name}", total, "image") as counting:
        splits = {split: _write_split(originals, standard, split, work, counting) for split in standard.splits}
    content = {
        "format": manifest.FORMAT,
        "name": standard.name,
        "kind": manifest.STANDARD,
        "source": originals.source,
        "colors": standard.colors,
        "image_size": originals.image_size,
        "labels": standard.label,
        "split_rule": {split: " + ".join(sources) for split, sources in standard.splits.items()},
        "splits": splits,
        "versions": manifest.versions("tensorflow", "tensorflow-datasets"),
    }
    differences = originals.differences.lines()
    return content | ({"differences": differences} if differences else {})


def _write_split(
    originals: Originals, standard: Standard, split: str, work: Path, counting: Counting
) -> dict[str, Any]:
    sources = [originals.splits[source] for source in standard.splits[split]]
    total = sum(source.count for source in sources)
    shards = standard.shards.get(split, 0)
    if not total or total < shards:
        raise UserError(f"{standard.name}: {originals.source} has {total} images of the split {split}: too few")
    seen = 0  # images, those included that are left out
    new_shard = (lambda *_: (seen - 1) * shards // total >= writer.shards) if shards else None
    writer = build.SplitWriter(work, split, new_shard)
    try:
        for source in sources:
            for features in source.images():
                seen += 1
                counting.advance()
                image = decodable(features["image"], originals.differences) if features is not None else b""
                if image:
                    writer.write(RECORDS[standard.record]({**features, "image": image}))
    finally:
        writer.abandon()
    if writer.shards < max(shards, 1):
        why = "; ".join(originals.differences.lines())
        raise UserError(f"{standard.name}: too few images of the split {split} can be used ({why}): nothing was made")
    return writer.finish(functools.partial(_names, standard, split))


def _names(standard: Standard, split: str, shards: int) -> list[str]:
    if split not in standard.shards:
        return build.shard_names(standard.name, split, shards)
    (pattern,) = standard.patterns(split)
    return [pattern.replace("*", f"{i:05d}") for i in range(shards)]
