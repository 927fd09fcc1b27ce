"""SVHN's original files of cropped digits: *_32x32.mat."""

from pathlib import Path

import numpy as np

from libml.datasets.originals.sources import (
    Differences,
    Originals,
    Split,
    check_counts,
    check_file,
    find,
    folder_or_file,
    from_arrays,
)
from libml.errors import UserError, reason

COUNTS = {"train": 73_257, "test": 26_032, "extra": 531_131}
FILES = {  # bytes, SHA-256
    "train_32x32.mat": (182040794, "435e94d69a87fde4fd4d7f3dd208dfc32cb6ae8af2240d066de1df7508d083b8"),
    "test_32x32.mat": (64275384, "cdce80dfb2a2c4c6160906d0bd7c68ec5a99d7ca4831afa54f09182025b6a75b"),
    "extra_32x32.mat": (1329278602, "a133a4beb38a00fcdda90c9489e0c04f900b660ce8a316a5e854838379a71eb3"),
}


def read(path: str) -> Originals:
    """SVHN's originals in a folder.

    Raises:
        UserError: if one is missing or cannot be read.
    """
    root, differences = folder_or_file(path), Differences()
    splits = {}
    for split in COUNTS:
        name = f"{split}_32x32.mat"
        files = find(root, lambda entry, name=name: entry == name) if root.is_dir() else []
        if not files:
            raise UserError(f"--from={path} has no {name}: the folder of {', '.join(FILES)} is wanted")
        check_file(files[0], FILES[name][0], {"sha256": FILES[name][1]}, differences)
        splits[split] = _split(files[0])
    check_counts({split: part.count for split, part in splits.items()}, COUNTS, differences)
    return Originals(f"the files of {root.name}", splits, {"min": [32, 32], "max": [32, 32]}, differences)


def _split(file: Path) -> Split:
    """The images of a file: X uint8 [32, 32, 3, N], and y [N, 1] with 10 for the digit 0.

    Raises:
        UserError: if it is damaged.
    """
    from scipy import io

    try:
        found = io.loadmat(file, variable_names=("X", "y"))
        images, labels = found["X"], found["y"].reshape(-1)
        if images.dtype != np.uint8 or images.shape != (32, 32, 3, len(labels)):
            raise ValueError(f"its X is an array {list(images.shape)} for {len(labels)} labels")
        return from_arrays(images.transpose(3, 0, 1, 2), [int(label) % 10 for label in labels])
    except Exception as e:  # damage shows as errors of many kinds
        raise UserError(f"--from: {file} is damaged or no MATLAB file of SVHN ({reason(e)}): fetch it again") from e
