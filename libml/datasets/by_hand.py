"""Original files of the standard sets that people have already."""

from collections.abc import Callable

from libml.datasets import celeba
from libml.datasets.originals import Originals
from libml.errors import UserError

_READERS: dict[str, Callable[[str], Originals]] = {"celeba": celeba.read}


def read(name: str, path: str) -> Originals:
    """A standard set's original files at a path.

    Raises:
        UserError: saying what is wanted, if they are not there or cannot be read.
    """
    if name not in _READERS:
        raise UserError(f"--from={path}: {name} is not made of files at hand; {', '.join(_READERS)} are")
    return _READERS[name](path)
