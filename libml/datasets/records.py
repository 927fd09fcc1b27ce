"""Writing TFRecord files in the layout that libml.datasets.catalogue reads."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import tensorflow as tf

from libml.errors import UserError, reason
from libml.system.copies import kept_copies
from libml.system.files import atomic_path
from libml.system.tfio import os_errors


def example(image: bytes, label: int = 0, **floats: Iterable[float]) -> bytes:
    """One serialized image: features image (encoded bytes), label (int64) and any float lists."""
    feature = {
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
    }
    for name, values in floats.items():
        feature[name] = tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString(deterministic=True)


def images(path: Path) -> Iterator[bytes]:
    """The encoded image of each record of a file.

    Raises:
        UserError: if a record cannot be read.
    """
    count = 0
    try:
        for record in tf.data.TFRecordDataset(str(kept_copies([path])[0])).as_numpy_iterator():
            yield tf.train.Example.FromString(record).features.feature["image"].bytes_list.value[0]
            count += 1
    except (tf.errors.OpError, ValueError, IndexError) as e:
        raise UserError(f"{path} is damaged at record {count} ({reason(e)}): make the dataset again") from None


def write(path: Path, examples: Iterable[bytes]) -> int:
    """Writes a whole TFRecord file or nothing.

    Returns:
        The number of records.

    Raises:
        UserError: if the file system refuses (no permission, disk full).
    """
    count = 0
    with atomic_path(path) as temporary, os_errors(), tf.io.TFRecordWriter(str(temporary)) as writer:
        for record in examples:
            writer.write(record)
            count += 1
    return count
