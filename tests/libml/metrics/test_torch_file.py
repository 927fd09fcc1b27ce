import collections
import io
import pickle
import struct
import sys
import types

import numpy as np
import pytest

from libml.metrics import torch_file

TYPES = {"float32": "FloatStorage", "int64": "LongStorage"}


class Tensor:
    """Pickles as a torch.Tensor does: a function of PyTorch's, and a storage that lies elsewhere in the file."""

    def __init__(self, values, offset=0, shape=None, stride=None):
        self.values, self.offset = values, offset
        self.shape = values.shape if shape is None else shape
        self.stride = tuple(s // values.itemsize for s in values.strides) if stride is None else stride

    def __reduce__(self):
        rebuild = sys.modules["torch._utils"]._rebuild_tensor_v2
        return rebuild, (self, self.offset, self.shape, self.stride, False, collections.OrderedDict())


class Pickler(pickle.Pickler):
    def persistent_id(self, thing):
        """A tensor pickles as a call whose first argument is its storage; the second visit is that argument."""
        if not isinstance(thing, Tensor):
            return None
        if not getattr(thing, "called", False):
            thing.called = True
            return None
        kind = getattr(sys.modules["torch"], TYPES[thing.values.dtype.name])
        return "storage", kind, str(id(thing)), "cpu", thing.values.size, None


@pytest.fixture
def torch(monkeypatch):
    """PyTorch's names, for a pickler to write down."""
    package, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in TYPES.values():
        setattr(package, name, type(name, (), {"__module__": "torch"}))
    utils._rebuild_tensor_v2 = lambda *args: None
    utils._rebuild_tensor_v2.__module__ = "torch._utils"
    utils._rebuild_tensor_v2.__qualname__ = utils._rebuild_tensor_v2.__name__ = "_rebuild_tensor_v2"
    monkeypatch.setitem(sys.modules, "torch", package)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)


def saved(things, version=1001, little_endian=True):
    file = io.BytesIO()
    for part in (0x1950A86A20F9469CFC6C, version, {"little_endian": little_endian}):
        pickle.dump(part, file, protocol=2)
    Pickler(file, protocol=2).dump(collections.OrderedDict(things))
    tensors = [thing for thing in things.values() if isinstance(thing, Tensor)]
    pickle.dump([str(id(t)) for t in tensors], file, protocol=2)
    for t in tensors:
        file.write(struct.pack("<q", t.values.size) + t.values.tobytes("A"))
    return file.getvalue()


def test_arrays_are_read_with_their_shapes_strides_and_types(tmp_path, torch):
    kernel = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    part = Tensor(np.arange(10, dtype=np.float32), offset=4, shape=(3,), stride=(2,))
    path = tmp_path / "x.pth"
    path.write_bytes(saved({"kernel": Tensor(kernel.T), "count": Tensor(np.array(7)), "part": part}))
    found = torch_file.load_arrays(path)
    assert set(found) == {"kernel", "count", "part"}
    np.testing.assert_array_equal(found["kernel"], kernel.T)
    np.testing.assert_array_equal(found["part"], [4, 6, 8])
    assert found["count"] == 7 and found["count"].dtype == np.int64 and found["count"].shape == ()


@pytest.mark.parametrize(
    "offset, shape, stride",
    [
        (0, (11,), (1,)),
        (5, (6,), (1,)),
        (0, (3, 4), (4, 1)),
        (-1, (3,), (1,)),
        (0, (3,), (-1,)),
        (0, (2,), (1, 1)),
        (0, (10**9,), (0,)),
    ],
    ids=["too long", "too late", "too wide", "before", "backwards", "strides", "repeated"],
)
def test_an_array_that_reaches_beyond_its_storage_is_refused(tmp_path, torch, offset, shape, stride):
    path = tmp_path / "x.pth"
    path.write_bytes(saved({"a": Tensor(np.zeros(10, np.float32), offset, shape, stride)}))
    with pytest.raises(ValueError, match="cannot be read as arrays"):
        torch_file.load_arrays(path)


def test_what_is_no_array_is_not_run(tmp_path, torch):
    class Hostile:
        def __reduce__(self):
            return open, (str(tmp_path / "made"), "w")

    path = tmp_path / "x.pth"
    path.write_bytes(saved({"a": Hostile()}))
    with pytest.raises(ValueError, match=r"more than arrays: (_?io|builtins)\.open"):
        torch_file.load_arrays(path)
    assert not (tmp_path / "made").exists()


def test_a_file_that_is_cut_or_another_kind_is_one_error(tmp_path, torch):
    path, whole = tmp_path / "x.pth", saved({"a": Tensor(np.zeros(10, np.float32))})
    others = [b"", b"PK\x03\x04", pickle.dumps([1, 2]), saved({}, version=2), saved({}, little_endian=False)]
    for data in [whole[:n] for n in range(0, len(whole), 7)] + others:
        path.write_bytes(data)
        with pytest.raises(ValueError, match="cannot be read as arrays"):
            torch_file.load_arrays(path)
    with pytest.raises(OSError):
        torch_file.load_arrays(tmp_path / "none")
