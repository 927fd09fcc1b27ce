"""The records of TFRecord files by number. Needs no TensorFlow."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from libml.datasets.recordfile import record_offsets
from libml.errors import UserError
from libml.system.copies import kept_copies


class Shards:
    """Records of groups of files, numbered through in the order of the groups and of their files.

    A file whose count is known is looked through when one of its records is first asked for, the others at once.
    """

    def __init__(self, groups: Sequence[Sequence[Path]], known: Mapping[Path, tuple[int, int]]):
        """Counts the records. Files on an object store are copied first: records are read one by one.

        Args:
            groups: files; a group is never empty.
            known: file -> (its size, its records), as a manifest says; held to be true of files of that size.

        Raises:
            UserError: if a file that has to be looked through is empty, cut short, or no TFRecord.
        """
        named = [file for files in groups for file in files]
        self.files = kept_copies(named)
        known = {copy: known[file] for file, copy in zip(named, self.files, strict=True) if file in known}
        self.group_of_file = np.repeat(np.arange(len(groups)), [len(files) for files in groups])
        self._offsets: dict[int, np.ndarray] = {}
        self.counts = np.array([self._count(i, known) for i in range(len(self.files))], np.int64)
        self.firsts = np.cumsum(self.counts) - self.counts  # the number of each file's first record

    def _count(self, file: int, known: Mapping[Path, tuple[int, int]]) -> int:
        size, records = known.get(self.files[file], (-1, 0))
        if size == self.files[file].stat().st_size:
            return records
        self._offsets[file] = self._look_through(file)
        return len(self._offsets[file]) - 1

    def _look_through(self, file: int) -> np.ndarray:
        """Where the records of a file start, and where the last one ends."""
        path = self.files[file]
        starts = np.fromiter(record_offsets(path), np.int64)
        return np.append(starts, path.stat().st_size)

    def offsets(self, file: int) -> np.ndarray:
        """Where the records of a file start, and where the last one ends: int64 [records + 1].

        Raises:
            UserError: if the file is damaged, or has not as many records as was known.
        """
        if file not in self._offsets:
            found = self._look_through(file)
            if len(found) - 1 != self.counts[file]:
                raise UserError(
                    f"{self.files[file]} has {len(found) - 1} records, its manifest says {self.counts[file]}: "
                    "make the dataset again"
                )
            self._offsets[file] = found
        return self._offsets[file]

    def places(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where records are.

        Args:
            numbers: int64 [N].

        Returns:
            (index of the file, offset in it, bytes there), each int64 [N].

        Raises:
            UserError: as offsets.
        """
        files = np.searchsorted(self.firsts + self.counts, numbers, side="right")
        starts, ends = np.empty_like(numbers), np.empty_like(numbers)
        for file in np.unique(files):
            chosen = files == file
            offsets, local = self.offsets(file), numbers[chosen] - self.firsts[file]
            starts[chosen], ends[chosen] = offsets[local], offsets[local + 1]
        return files, starts, ends - starts
