"""MNIST's original files: idx, compressed or not."""

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from libml.datasets.originals.sources import (
    Differences,
    Originals,
    check_counts,
    check_file,
    find,
    folder_or_file,
    from_arrays,
)
from libml.errors import UserError

COUNTS = {"train": 60_000, "test": 10_000}
FILES = {"train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte")}
FILES |= {"test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")}
SHA256 = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}


def read(path: str) -> Originals:
    """MNIST's originals in a folder.

    Raises:
        UserError: if one is missing or cannot be read.
    """
    root, differences = folder_or_file(path), Differences()
    splits = {}
    for split, names in FILES.items():
        images, labels = (_array(_file(path, root, name), differences) for name in names)
        if images.shape != (len(labels), 28, 28) or labels.ndim != 1:
            raise UserError(
                f"--from={path}: {names[0]} has an array {list(images.shape)}, with {labels.shape[0]} labels"
            )
        splits[split] = from_arrays(images[..., None], labels.tolist())
    check_counts({split: part.count for split, part in splits.items()}, COUNTS, differences)
    return Originals(f"the files of {root.name}", splits, {"min": [28, 28], "max": [28, 28]}, differences)


def _file(path: str, root: Path, name: str) -> Path:
    dotted = name.replace("-idx", ".idx")  # as some unpack them
    wanted = [end for stem in (name, dotted) for end in (stem, f"{stem}.gz")]
    files = [file for file in find(root, lambda entry: entry in wanted) if file.is_file()] if root.is_dir() else []
    if not files:
        raise UserError(f"--from={path} has no {name}.gz: the folder of MNIST's four files is wanted")
    return files[0]


def _array(file: Path, differences: Differences) -> np.ndarray:
    """uint8 of any shape from an idx file: two zeros, the type 8, the number of sides, the sides, the values.

    Raises:
        UserError: if it is damaged.
    """
    if file.name in SHA256:
        check_file(file, 0, {"sha256": SHA256[file.name]}, differences)
    try:
        content = file.read_bytes()
        content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        sides = np.frombuffer(content, ">u4", content[3], offset=4).tolist()
        start = 4 + 4 * len(sides)
        if content[:3] != b"\0\0\x08" or len(content) - start != math.prod(sides):
            raise ValueError("its size is another than it says")
        return np.frombuffer(content, np.uint8, offset=start).reshape(sides)
    except (OSError, EOFError, ValueError, IndexError, zlib.error) as e:
        raise UserError(f"--from: {file} is damaged or no idx file ({e}): fetch it again") from e
