"""Reads the arrays of a file that torch.save wrote before PyTorch 1.6, without PyTorch and without running its pickles.

Such a file is four pickles (a magic number, a version, facts of the machine, the arrays' descriptions), a pickled list
of storages' keys, and each storage's number of values and values.
"""

import math
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
_TYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}


class _Array:
    """An array's description: its storage and where in the storage its values lie."""

    def __init__(self, storage: Any, offset: int, shape: tuple, stride: tuple, *_: Any):
        self.storage, self.offset, self.shape, self.stride = storage, offset, tuple(shape), tuple(stride)


class _Dict(dict):
    """What a pickle's OrderedDict becomes: unlike a plain dict, it can take the attributes that the pickle sets."""


class _Unpickler(pickle._Unpickler):
    """Knows dictionaries, numbers, texts and the two kinds of storage. Python's unpickler is the base because C's fills
    its memo up to any number that a file names."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _TYPES:
            return name
        if (module, name) == ("collections", "OrderedDict"):
            return _Dict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _Array
        raise pickle.UnpicklingError(f"it holds more than arrays: {module}.{name}")

    def persistent_load(self, pid: Any) -> tuple[str, np.dtype, int]:
        kind, storage_type, key, _, size, view = pid
        if kind != "storage" or view is not None or storage_type not in _TYPES:
            raise pickle.UnpicklingError("it holds a storage of an unknown kind")
        return str(key), _TYPES[storage_type], int(size)


def _arrays(file: BinaryIO) -> dict[str, np.ndarray]:
    if _Unpickler(file).load() != MAGIC or _Unpickler(file).load() != VERSION:
        raise pickle.UnpicklingError("it does not begin as torch.save begins a file")
    if not _Unpickler(file).load()["little_endian"]:
        raise pickle.UnpicklingError("its numbers are big-endian")
    described, keys = _Unpickler(file).load(), _Unpickler(file).load()
    dtypes = {a.storage[0]: a.storage[1] for a in described.values()}
    storages = {key: _storage(file, dtypes[key]) for key in keys}
    return {str(name): _view(storages[a.storage[0]], a) for name, a in described.items()}


def _storage(file: BinaryIO, dtype: np.dtype) -> np.ndarray:
    size = int.from_bytes(file.read(8), "little")
    data = file.read(size * dtype.itemsize) if size < 2**31 else b""
    if len(data) != size * dtype.itemsize:
        raise EOFError("it ends early")
    return np.frombuffer(data, dtype)


def _view(storage: np.ndarray, array: _Array) -> np.ndarray:
    """An array of its own [shape] from a storage's values, which must hold all that the strides reach."""
    numbers = (array.offset, *array.shape, *array.stride)
    if any(not isinstance(n, int) or n < 0 for n in numbers) or len(array.shape) != len(array.stride):
        raise ValueError("an array's shape or strides make no sense")
    last = array.offset + sum((n - 1) * step for n, step in zip(array.shape, array.stride, strict=True))
    if 0 in array.shape or math.prod(array.shape) > len(storage) or last >= len(storage):
        raise ValueError("an array reaches beyond its storage")
    strides = [step * storage.itemsize for step in array.stride]
    return np.lib.stride_tricks.as_strided(storage[array.offset :], array.shape, strides, writeable=False).copy()


def load_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a file, float32 and int64, by name.

    Raises:
        OSError: if the file cannot be opened.
        ValueError: if it is no such file, or holds more than arrays.
    """
    with open(path, "rb") as file:
        try:
            return _arrays(file)
        except Exception as e:  # what is wrong with a pickle shows as errors of many kinds
            raise ValueError(f"{path} cannot be read as arrays that torch.save wrote: {e or type(e).__name__}") from e
