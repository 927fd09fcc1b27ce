"""CIFAR-10's original files: the batches of the Python or of the binary version, in a folder or in their archive."""

import hashlib
import io
import lzma
import tarfile
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
from libml.errors import UserError, reason
from libml.system import array_pickle
from libml.system.files import user_errors

COUNTS = {"train": 50_000, "test": 10_000}
BATCHES = {"train": tuple(f"data_batch_{i}" for i in range(1, 6)), "test": ("test_batch",)}
MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
}
ARCHIVES = {
    "cifar-10-python.tar.gz": {"md5": "c58f30108f718f92721af3b95e74349a"},
    "cifar-10-binary.tar.gz": {"sha256": "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"},
}
PIXELS = (3, 32, 32)  # the red ones, the green ones, the blue ones
_NAMES = {batch + ending for batches in BATCHES.values() for batch in batches for ending in ("", ".bin")}


def read(path: str) -> Originals:
    """CIFAR-10's originals at a path.

    Raises:
        UserError: if there are none, or they cannot be read.
    """
    root, differences = folder_or_file(path), Differences()
    found = _batches(path, root, differences)
    ending = "" if any("." not in name for name in found) else ".bin"
    splits = {}
    for split, names in BATCHES.items():
        if missing := [name + ending for name in names if name + ending not in found]:
            differences.add(f"{', '.join(missing)} of its split {split} is missing")
        parts = [_arrays(n + ending, found[n + ending], differences) for n in names if n + ending in found]
        images = np.concatenate([np.zeros([0, *PIXELS], np.uint8), *(images for images, _ in parts)])
        labels = [label for _, labels in parts for label in labels]
        splits[split] = from_arrays(images.transpose(0, 2, 3, 1), labels)
    check_counts({split: part.count for split, part in splits.items()}, COUNTS, differences)
    return Originals(f"the batches of {root.name}", splits, {"min": [32, 32], "max": [32, 32]}, differences)


def _batches(path: str, root: Path, differences: Differences) -> dict[str, bytes]:
    """The files by name."""
    if root.is_file():
        archives = [root]
    else:
        if files := [file for file in find(root, lambda name: name in _NAMES) if file.is_file()]:
            with user_errors(path, "read"):
                return {file.name: file.read_bytes() for file in files}
        archives = find(root, lambda name: name in ARCHIVES)
    if not archives:
        raise UserError(f"--from={path} has no batches of CIFAR-10: its folder or {' or '.join(ARCHIVES)} is wanted")
    if archives[0].name in ARCHIVES:
        check_file(archives[0], 0, ARCHIVES[archives[0].name], differences)
    try:
        with tarfile.open(archives[0]) as archive:
            members = {Path(m.name).name: m for m in archive if m.isfile() and Path(m.name).name in _NAMES}
            found = {name: archive.extractfile(member).read() for name, member in members.items()}
    except (tarfile.TarError, OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as e:
        raise UserError(f"--from: {archives[0]} is damaged or no tar archive ({e}): fetch it again") from e
    if not found:
        raise UserError(f"--from: {archives[0]} has no batches of CIFAR-10: {' or '.join(ARCHIVES)} is wanted")
    return found


def _arrays(name: str, content: bytes, differences: Differences) -> tuple[np.ndarray, list[int]]:
    """uint8 images [N, 3, 32, 32] and labels of a batch.

    Raises:
        UserError: if it is damaged.
    """
    if name in MD5 and hashlib.md5(content, usedforsecurity=False).hexdigest() != MD5[name]:
        differences.add(f"{name} has another MD5 than the official file")
    try:
        images, labels = _from_binary(content) if name.endswith(".bin") else _from_pickle(content)
        images = images.reshape(len(labels), *PIXELS)
        if images.dtype != np.uint8 or not all(isinstance(label, int) and 0 <= label < 10 for label in labels):
            raise ValueError("its images are not of 8 bits or its labels not from 0 to 9")
    except Exception as e:  # a damaged pickle raises anything
        raise UserError(f"--from: the batch {name} cannot be read ({reason(e)}): fetch it again") from e
    return images, labels


def _from_binary(content: bytes) -> tuple[np.ndarray, list[int]]:
    """Of rows of a label and the pixels."""
    rows = np.frombuffer(content, np.uint8).reshape(-1, 1 + np.prod(PIXELS))
    return rows[:, 1:], rows[:, 0].tolist()


def _from_pickle(content: bytes) -> tuple[np.ndarray, list[int]]:
    """Of a dictionary {data, labels}."""
    found = array_pickle.load(io.BytesIO(content))
    found = {key.decode("latin1") if isinstance(key, bytes) else key: entry for key, entry in found.items()}
    return array_pickle.value(found["data"]), list(found["labels"])
