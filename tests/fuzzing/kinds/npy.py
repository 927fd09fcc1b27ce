"""VGG19's weights, vgg19.npy, spoilt; and what is given for those of InceptionV3."""

import io
import pickle
import struct
from pathlib import Path
from random import Random

import numpy as np

from tests.fuzzing.damage import spoil, spoil_file
from tests.fuzzing.places import NOISE, RUN, bring
from tests.fuzzing.trial import Trial

TRAIN = (
    "--dataset=cifar10",
    "--scale=4",
    "--batch=512",
    "--filters=4",
    "--blocks=1",
    "--total_kimg=1",
    "--data_dir=data",
    "--train_dir=new",
)


class _Called:
    """Pickles as a call of a function."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def _npy(
    value: object, protocol: int = 2, header: str = "{'descr': '|O', 'fortran_order': False, 'shape': (), }"
) -> bytes:
    text = header.encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text + pickle.dumps(value, protocol)


def _weights(chance: Random) -> dict:
    kernel = np.zeros([3, 3, 3, 4], np.float32)
    bias = np.zeros(4, np.float32)
    other = chance.choice(
        (
            *(
                kernel[..., 0],
                kernel[:, :, :2],
                np.zeros([3, 3, 0, 4]),
                np.zeros([0, 0, 3, 4]),
                kernel * np.nan,
                "x",
                None,
                3,
            ),
            *(
                kernel.astype(complex),
                kernel.astype(object),
                np.full([3, 3, 3, 4], "x"),
                np.zeros([3, 3, 3, 1 << 16], np.int8),
            ),
            np.array("2000-01-01", "datetime64[D]"),
        )
    )
    return chance.choice(
        (
            {"conv1_1": [other, bias]},
            {"conv1_1": [kernel, other]},
            {"conv1_1": [kernel]},
            {"conv1_1": [kernel, bias, bias]},
            {"conv1_1": kernel},
            {"conv1_1": other},
            {"conv1_1": [kernel, bias], 3: None, "x" * 3000: 1},
            {"x" * 3000: 1},
            {},
            {"conv1_1\nx": 1},
            [kernel, bias],
            other,
        )
    )


def hostile(chance: Random) -> bytes:
    """A file that asks an unpickler for more than arrays, or of another shape than is wanted."""
    deep: object = None
    for _ in range(300):
        deep = [deep]
    value = chance.choice(
        (
            *(_Called(print, "called"), _Called(exec, "raise SystemExit(0)"), _Called(np.ndarray, (1 << 40,)), deep),
            *(_Called(np.ndarray, (), np.dtype("O"), b"AAAAAAAA"), _Called(np.dtype, "f8,f8"), _Called(bytes, 1 << 40)),
            *(
                _Called(np.zeros, 1 << 40),
                _Called(getattr, {}, "x"),
                {"conv1_1": _Called(np.ndarray, (3,))},
                _weights(chance),
            ),
            *(_weights(chance), _weights(chance), _weights(chance)),
        )
    )
    content = np.array(None, object)
    content[()] = value
    return _npy(chance.choice((content, content, content, value)), chance.choice((2, 3, 4)))


def odd(chance: Random) -> bytes:
    """A .npy file of something else."""
    file = io.BytesIO()
    np.save(file, chance.choice((np.zeros(3), np.zeros([0]), np.array("x"), np.zeros([2], "f4,f8"), np.array(1))))
    head = chance.choice(
        (
            "{'descr': '|O', 'fortran_order': False, 'shape': (1 << 60,), }",
            "{",
            "{'shape': ()}",
            "__import__('os')",
            "{}" * 1000,
        )
    )
    return chance.choice(
        (file.getvalue(), _npy(None, header=head), b"\x93NUMPY\x03\0" + struct.pack("<I", 1 << 31) + b"{")
    )


def make(chance: Random, box: Path, kit: Path) -> Trial:
    """Training with the perceptual loss of a spoilt file; or a report with a spoilt file of InceptionV3's weights."""
    if chance.randrange(12) == 0:
        bring(kit, box, "data", "runs")
        name = chance.choice(("weights.h5", "weights.weights.h5", "weights.keras", "weights"))
        (box / name).write_bytes(
            chance.choice((b"", chance.randbytes(100), b"\x89HDF\r\n\x1a\n" + bytes(500), b"PK\x05\x06" + bytes(18)))
        )
        args = (
            f"--run={RUN}",
            "--data_dir=data",
            "--images=2",
            "--samples=1",
            "--output=new",
            f"--inception_weights={name}",
        )
        return Trial("scripts/evaluate.py", args, may_add=("new", "new/*", NOISE))
    bring(kit, box, "data")
    path = box / "data" / "Models" / "vgg19.npy"
    way = chance.randrange(8)
    if way == 0:
        spoil_file(chance, path)
    elif way < 3:
        path.write_bytes(spoil(chance, path.read_bytes()))
    elif way == 3:
        path.write_bytes(odd(chance))
    else:
        path.write_bytes(hostile(chance))
    layer = chance.choice(("conv1_1", "conv1_1", "conv2_2", "conv5_4"))
    program = chance.choice(("srgan.py", "srgan2.py"))
    args = (*TRAIN, f"--layer_name={layer}", "--pcp_weight=1")
    return Trial(program, args, may_add=("new", "new/*"), stop_after=15.0)
