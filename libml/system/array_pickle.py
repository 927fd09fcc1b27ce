"""Arrays in pickles that Python 2 or 3 wrote, read without running them."""

import pickle
import re
from typing import Any, BinaryIO

import numpy as np


class _Type:
    """What a pickle's numpy.dtype becomes: its name and byte order, whatever they are."""

    def __init__(self, name: Any, *_: Any):
        self.name, self.order = name, "="

    def __setstate__(self, state: tuple) -> None:
        self.order = state[1]


class _Array:
    """What a pickle's numpy.ndarray becomes: a note of what is to be in it. Only _reconstruct makes one."""

    def __init__(self, *_: Any):
        raise pickle.UnpicklingError("it calls numpy.ndarray")

    def __setstate__(self, state: tuple) -> None:
        self.state = state


def _reconstruct(kind: Any, *_: Any) -> _Array:
    if kind is not _Array:
        raise pickle.UnpicklingError("it makes arrays of what is no array")
    return object.__new__(_Array)


def _encode(text: str, encoding: str) -> bytes:
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it holds bytes written as {encoding}")
    return text.encode("latin1")


_STAND_INS = {"_reconstruct": _reconstruct, "ndarray": _Array, "dtype": _Type}
_NUMBERS = re.compile("[<>=]?f[248]|[<>=]?[iu][248]|[|=]?[iu]1")


class _ArrayUnpickler(pickle._Unpickler):
    """Reads arrays and plain containers only, and makes nothing of NumPy's.

    An ordinary unpickler runs whatever code the file asks for, and NumPy's own classes take memory addresses for
    objects. Python's unpickler is the base because C's fills its memo up to any number that a file names.
    """

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "numpy" and name in _STAND_INS:
            return _STAND_INS[name]
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes for Python 2
            return _encode
        raise pickle.UnpicklingError(f"it holds more than arrays: {module}.{name}")


def load(file: BinaryIO) -> Any:
    """What a pickle holds; strings of Python 2 as latin-1 text. `value` makes arrays of what it holds.

    Raises:
        Exception: anything, for a damaged pickle, and UnpicklingError for one that holds more than arrays.
    """
    return value(_ArrayUnpickler(file, encoding="latin1").load())


def value(found: Any) -> Any:
    """What a pickled array holds: an array of its numbers, or the objects. Other values stay what they are."""
    if not isinstance(found, _Array):
        return found
    _, shape, kind, fortran, data = found.state
    if kind.name in ("O", "O8") and isinstance(data, list):
        return data[0] if shape == () else data
    if not _NUMBERS.fullmatch(f"{kind.order}{kind.name}"):
        raise ValueError(f"it has an array of type {kind.name}")
    data = data.encode("latin1") if isinstance(data, str) else bytes(data)  # a str: Python 2's
    return np.frombuffer(data, f"{kind.order}{kind.name}").reshape(shape, order="F" if fortran else "C")
