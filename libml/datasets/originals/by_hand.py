"""Original files of the standard sets that people have already."""

import functools
from collections.abc import Callable

from libml.datasets.making.lsun import CATEGORIES
from libml.datasets.originals import celeba, cifar10, imagenet, lsun_archives, mnist, svhn
from libml.datasets.originals.sources import Originals

_READERS: dict[str, Callable[[str], Originals]] = {
    "celeba": celeba.read,
    "cifar10": cifar10.read,
    "imagenet": imagenet.read,
    "mnist": mnist.read,
    "svhn": svhn.read,
    **{f"lsun_{category}": functools.partial(lsun_archives.read, category=category) for category in CATEGORIES},
}


def read(name: str, path: str) -> Originals:
    """A standard set's original files at a path.

    Raises:
        UserError: saying what is wanted, if they are not there or cannot be read.
    """
    return _READERS[name](path)
