"""Reading LSUN's LMDB archives without tensorflow-io, which TensorFlow 2.21 cannot load."""

import functools
import io
import os
from collections.abc import Iterator
from typing import Any

from libml.datasets.originals import lmdb_records


def use_lmdb(builder: Any) -> None:
    """Makes a TFDS builder of lsun/* read its archives with the package lmdb."""
    builder._generate_examples = functools.partial(examples)


def examples(extracted_dir: str, file_path: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The images of an extracted archive as TFDS wants them: (key, features), in the order of the archive.

    Args:
        extracted_dir: of the archive.
        file_path: the folder in it, as bedroom_train_lmdb.

    Raises:
        lmdb_records.ArchiveError: if the archive cannot be read.
    """
    with lmdb_records.reading(os.path.join(extracted_dir, file_path)) as archive:
        for number, (key, image) in enumerate(archive.records):
            yield number, {"id": key.decode(), "image": io.BytesIO(image)}
