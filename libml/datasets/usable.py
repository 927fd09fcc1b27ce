"""Which records hold an image that fits its dataset."""

import mmap
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from libml.datasets.catalogue import Dataset
from libml.datasets.decoding import image_at, looked_up
from libml.datasets.heads import channels, image_in
from libml.datasets.shards import Shards

UNKNOWN, NO, YES = -1, 0, 1


class Usable:
    """Whether records' images have as many channels as their dataset: a look at each record's head, once."""

    def __init__(self, shards: Shards, members: Sequence[Dataset]):
        """Args: the files, a group for each dataset; the datasets."""
        self.shards, self.members = shards, members
        self._known = np.full(int(shards.counts.sum()), UNKNOWN, np.int8)
        self._decoded_fits = tf.function(lambda *place: image_at(shards, members, place)[1], autograph=False)

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """bool [N] for the numbers of records, int64 [N]. A record that cannot be read counts as usable: what reads
        it shall say so.

        Raises:
            UserError: if the records of a file cannot be told apart.
        """
        new = numbers[self._known[numbers] == UNKNOWN]
        files, offsets, sizes = self.shards.places(new)
        for file in np.unique(files):
            chosen = files == file
            self._known[new[chosen]] = self._look(file, offsets[chosen], sizes[chosen])
        return self._known[numbers] == YES

    def _look(self, file: int, offsets: np.ndarray, sizes: np.ndarray) -> list[bool]:
        member, path = self.members[self.shards.group_of_file[file]], self.shards.files[file]
        key = member.image_key.encode()
        with path.open("rb") as handle, mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
            fits = []
            for offset, size in zip(offsets.tolist(), sizes.tolist(), strict=True):
                try:  # the record is between 12 bytes of length and checksum and 4 of its own checksum
                    found = channels(data, *image_in(data, offset + 12, offset + size - 4, key))
                except (ValueError, IndexError, KeyError):
                    found = None
                fits.append(found == member.colors or self._fits((file, offset, size)))
            return fits

    def _fits(self, place: tuple[int, int, int]) -> bool:
        """By decoding, which also notices damage: the head of a sound record may be unlike what is usual."""
        try:
            return bool(self._decoded_fits(*(tf.constant(part, tf.int64) for part in place)))
        except (tf.errors.OpError, UnicodeDecodeError):
            return True

    def decode_all(self, numbers: tf.data.Dataset, at_once: int) -> None:
        """Finds the images that cannot be decoded, too, by decoding: records not among `numbers` are not usable.

        Args:
            numbers: of the records to look at.
            at_once: images to decode at a time.
        """
        known = np.full_like(self._known, NO)

        def load(number, *place):
            return number, image_at(self.shards, self.members, place)[1]

        places = looked_up(self.shards, numbers.map(lambda number: (number, number)))
        for number, fits in places.map(load, num_parallel_calls=at_once).ignore_errors().as_numpy_iterator():
            known[number] = YES if fits else NO
        self._known = known
