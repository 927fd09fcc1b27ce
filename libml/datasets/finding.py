"""The files of a dataset in the data folder."""

import re
from collections.abc import Sequence
from pathlib import Path

from libml.datasets import manifest
from libml.datasets.catalogue import Dataset, lookup
from libml.errors import UserError
from libml.system.store_path import to_path

_MEND = "remove what is of an older making, or make the dataset again"


def find_files(dataset: Dataset, data_dir: Path, split: str) -> list[Path]:
    """The files of a split ('train' or 'test'), sorted; makes the embedded dataset when it is missing.

    Raises:
        UserError: if there are none, saying what was looked for and how to make it, or if shards are missing.
    """
    files = present_files(dataset, data_dir, split)
    if not files and dataset.make:
        dataset.make(data_dir)
        files = present_files(dataset, data_dir, split)
    if not files:
        looked_for = " or ".join(str(data_dir / p) for p in getattr(dataset, split))
        raise UserError(
            f"no {split} files of {dataset.name}: looked for {looked_for}; "
            f"set --data_dir or $ML_DATA to the folder that has them, or make them with: {dataset.how_to_make}"
        )
    return files


def has_test_images(name: str, data_dir: str | Path) -> bool:
    """Whether a data folder has the test images of a dataset."""
    try:
        dataset = lookup(name, data_dir)
        return any(present_files(member, to_path(data_dir), "test") for member in dataset.members or (dataset,))
    except UserError:
        return False


def present_files(dataset: Dataset, data_dir: Path, split: str) -> list[Path]:
    """The files of a split, sorted; none where there are none.

    Raises:
        UserError: if some shards are missing, or a split is there both whole and in shards.
    """
    files = sorted({f for pattern in getattr(dataset, split) for f in data_dir.glob(pattern)})
    shards: dict[tuple[str, int], list[Path]] = {}
    for file in files:
        if match := re.fullmatch(r"(.+)-\d{5}-of-(\d{5})(?:\.tfrecord)?", file.name):
            shards.setdefault((match[1], int(match[2])), []).append(file)
    stems = [stem for stem, _ in shards]
    for (stem, total), found in shards.items():
        if len(found) != total:
            raise UserError(f"{found[0].parent} has {len(found)} of the {total} files {stem}-*-of-{total:05d}: {_MEND}")
        if stems.count(stem) > 1 or found[0].with_name(f"{stem}.tfrecord") in files:
            raise UserError(f"{found[0].parent} has {stem} twice, in different numbers of files: {_MEND}")
    return files


def known_counts(datasets: Sequence[Dataset], data_dir: Path) -> dict[Path, tuple[int, int]]:
    """File -> (its size, its records), as far as the manifests of some datasets say."""
    known = {}
    for base in {dataset.base for dataset in datasets if dataset.base}:
        known |= manifest.record_counts(data_dir, base)
    return known
