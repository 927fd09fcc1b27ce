"""Reading a made dataset back, to the last pixel."""

import io
from pathlib import Path
from typing import Any

import tensorflow as tf
from PIL import Image

from libml.datasets import manifest
from libml.datasets.making import build
from libml.datasets.making.asked import not_made
from libml.datasets.recordfile import count_records
from libml.errors import UserError
from libml.system.copies import kept_copies
from libml.system.counting import Counting
from libml.system.files import user_errors
from libml.system.store_path import to_path

IMAGE_KEYS = ("image", "image/encoded")


def check(data_dir: str, name: str) -> dict[str, Any]:
    """Verifies every file of a dataset: size, SHA-256, checksums and number of records, every image decoded.

    Returns:
        The manifest.

    Raises:
        UserError: naming the first thing that is wrong.
    """
    place = to_path(data_dir)
    build.finish_publishing(place, name)
    content = manifest.load(place, name)
    if content is None:
        raise not_made(data_dir, name)
    again = "make it again with --overwrite"
    if wrong := manifest.incomplete(content, place):
        raise UserError(f"{name} is damaged: {wrong}; {again}")
    if extra := set(build.present_files(place, name, content["splits"])) - {
        place / shard["file"] for shard in manifest.files(content)
    }:
        raise UserError(f"{min(extra)} is none of {name}'s files, but would be read with them: remove it")
    total = sum(manifest.count(content, split) for split in content["splits"])
    colors = content["colors"] if content["kind"] == manifest.FOLDER else None  # standard sets have a few odd images
    with Counting(f"checking {name}", total, "image") as counting:
        for shard in manifest.files(content):
            (file,) = kept_copies([place / shard["file"]])
            if wrong := _wrong_with(file, shard, colors, counting):
                raise UserError(f"{name} is damaged: {place / shard['file']} {wrong}; {again}")
    return content


def _wrong_with(file: Path, shard: dict[str, Any], colors: int | None, counting: Counting) -> str:
    """What is wrong with one shard; empty if nothing.

    Raises:
        UserError: if the lengths of its records make no sense, or it cannot be read.
    """
    count = 0
    with user_errors(file, "read"):
        count_records(file)  # TensorFlow trusts a length whose checksum is right, and may end the process
    try:
        for record in tf.data.TFRecordDataset(str(file)):
            if wrong := _wrong_with_record(record.numpy(), colors):
                return f"record {count} {wrong}"
            count += 1
            counting.advance()
    except tf.errors.OpError:
        return f"is damaged at record {count}"
    if count != shard["records"]:
        return f"has {count} records instead of {shard['records']}"
    with user_errors(file, "read"):
        return "" if build.sha256(file) == shard["sha256"] else "has another SHA-256 than the manifest says"


def _wrong_with_record(record: bytes, colors: int | None) -> str:
    try:
        feature = tf.train.Example.FromString(record).features.feature
    except Exception:  # protobuf's DecodeError, which has no public home
        return "is no tf.train.Example"
    images = [image for key in IMAGE_KEYS if key in feature for image in feature[key].bytes_list.value]
    if len(images) != 1:
        return "has several images" if images else "has no image"
    try:
        with Image.open(io.BytesIO(images[0]), formats=("PNG", "JPEG")) as image:
            image.load()
            channels = len(image.getbands())
    except Exception as e:  # whatever Pillow's decoders raise for damage
        return f"has a damaged image ({e})"
    return "" if colors in (None, channels) else f"has an image of {channels} channels instead of {colors}"
