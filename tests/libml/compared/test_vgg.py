"""VGG19's features: equal to Keras' own network, and what becomes of files that are not what they should be."""

import io
import pickle
import re
import resource
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from libml.compared import vgg
from libml.errors import UserError
from tests.support import ROOT
from tests.support.vgg_file import weights, write

CONV1 = ("conv1_1", "conv1_2")


def images(colors: int = 3, size: int = 16) -> tf.Tensor:
    return tf.constant(np.random.default_rng(1).uniform(-1, 1, [2, size, size, colors]), tf.float32)


def test_equals_keras_network_whose_weights_serve_when_there_is_no_file(tmp_path, monkeypatch):
    model = keras.applications.VGG19(include_top=False, weights=None)
    rng = np.random.default_rng(2)
    for layer in model.layers:
        if layer.weights:
            layer.bias.assign(rng.normal(size=layer.bias.shape))
    monkeypatch.setattr(keras.applications, "VGG19", lambda include_top, weights: model)
    x = images(size=32)
    theirs = keras.applications.vgg19.preprocess_input((x.numpy() + 1) * 127.5)
    for ours, name in (("conv1_1", "block1_conv1"), ("conv2_2", "block2_conv2"), ("conv4_1", "block4_conv1")):
        expected = keras.Model(model.input, model.get_layer(name).output)(theirs)
        np.testing.assert_allclose(vgg.load_features(tmp_path, ours)(x), expected, rtol=1e-4, atol=1e-3)


def test_file_goes_before_keras_and_gradients_reach_the_images(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.applications, "VGG19", None)
    made = weights("conv1_1", "conv1_2", "conv2_1")
    write(tmp_path, made)
    x = images(size=5)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = vgg.load_features(tmp_path, "conv2_1")(x)
    assert y.shape == (2, 3, 3, 4) and np.min(y) >= 0
    assert np.max(np.abs(tape.gradient(y, x))) > 0
    (kernel, bias), blue_green_red = made["conv1_1"], (x.numpy()[..., ::-1] + 1) * 127.5 - [103.939, 116.779, 123.68]
    pixel = np.tensordot(blue_green_red[0, 1:4, 2:5], kernel, 3) + bias
    np.testing.assert_allclose(vgg.load_features(tmp_path, "conv1_1")(x)[0, 2, 3], np.maximum(pixel, 0), rtol=1e-4)


def test_grey_images_are_taken_as_three_equal_channels(tmp_path):
    write(tmp_path, weights(*CONV1))
    features, grey = vgg.load_features(tmp_path, "conv1_2"), images(colors=1)
    np.testing.assert_array_equal(features(grey), features(tf.repeat(grey, 3, axis=-1)))


class Python2Pickler(pickle._Pickler):
    """Writes text and bytes as Python 2 does, whose files are the ones in circulation."""

    def save_string(self, value):
        data = value.encode("latin1") if isinstance(value, str) else value
        self.write(pickle.BINSTRING + len(data).to_bytes(4, "little") + data)
        self.memoize(value)

    dispatch = {**pickle._Pickler.dispatch, str: save_string, bytes: save_string}  # noqa: RUF012


def test_a_file_written_by_python_2_is_read(tmp_path):
    made = weights(*CONV1)
    path = write(tmp_path, made)
    expected = vgg.load_features(tmp_path, "conv1_2")(images())
    stored = io.BytesIO()
    np.lib.format.write_array_header_1_0(stored, {"descr": "|O", "fortran_order": False, "shape": ()})
    Python2Pickler(stored, protocol=2).dump(np.array(made, dtype=object))
    assert b"_codecs" not in stored.getvalue()
    path.write_bytes(stored.getvalue())
    np.testing.assert_array_equal(vgg.load_features(tmp_path, "conv1_2")(images()), expected)


def npy(pickled: bytes) -> bytes:
    """A .npy file of one object, whose pickle is given."""
    stored = io.BytesIO()
    np.lib.format.write_array_header_1_0(stored, {"descr": "|O", "fortran_order": False, "shape": ()})
    return stored.getvalue() + pickled


class Call:
    """Pickled as a call."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


RECONSTRUCT = np.empty(0).__reduce__()[0]  # numpy's maker of arrays, whose module differs between versions
ADDRESS = b"A" * 8  # taken for an object, it ends the process
HOSTILE = {
    "an object array over raw bytes": Call(np.ndarray, ((), np.dtype("O"), ADDRESS)),
    "one of raw bytes as its state": Call(
        RECONSTRUCT, (np.ndarray, (0,), b"b"), (1, (), np.dtype("O"), False, ADDRESS)
    ),
    "one within a field": Call(
        RECONSTRUCT, (np.ndarray, (0,), b"b"), (1, (), np.dtype([("field", "O")]), False, ADDRESS)
    ),
    "an array of another class": Call(RECONSTRUCT, (np.dtype, (0,), b"b")),
    "fewer bytes than its shape says": Call(
        RECONSTRUCT, (np.ndarray, (0,), b"b"), (1, (1 << 40,), np.dtype("f4"), False, ADDRESS)
    ),
}


def test_hostile_files_are_a_line_each(tmp_path):
    """In a process of its own, which such a file may end."""
    files = []
    for name, layer in HOSTILE.items():
        inside = [{"conv1_1": [layer, layer]}]
        whole = Call(RECONSTRUCT, (np.ndarray, (0,), b"b"), (1, (), np.dtype("O"), False, inside))
        for place, value in (("whole", layer), ("within", whole)):
            files.append(tmp_path / f"{name} {place}" / "Models" / "vgg19.npy")
            files[-1].parent.mkdir(parents=True)
            files[-1].write_bytes(npy(pickle.dumps(value, protocol=2)))
    program = """
import sys
from libml.compared import vgg
from libml.errors import UserError
for folder in sys.argv[1:]:
    try:
        vgg.load_features(folder, "conv1_1")
    except UserError as e:
        print(e)
"""
    command = [sys.executable, "-c", program, *(path.parent.parent for path in files)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for path, line in zip(files, lines, strict=True):
        assert re.fullmatch(rf"cannot read {re.escape(str(path))}: .* is wanted \(.+\)", line)


def test_a_file_that_asks_for_endless_memory_is_one_line(tmp_path):
    path = tmp_path / "Models" / "vgg19.npy"
    path.parent.mkdir()
    path.write_bytes(npy(b"\x80\x02]r\x00\x00\x00\x04."))  # an empty list, noted under the number 2 ** 26
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match="cannot read"):
        vgg.load_features(tmp_path, "conv1_1")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 19  # KiB


class Touch:
    """Makes a file when an ordinary unpickler reads it."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_code_in_a_file_is_not_run(tmp_path):
    path = write(tmp_path, {**weights(*CONV1), "conv2_1": Touch(tmp_path / "touched")})
    with pytest.raises(UserError, match=r"cannot read .*vgg19\.npy.*holds more than arrays"):
        vgg.load_features(tmp_path, "conv1_1")
    assert not (tmp_path / "touched").exists()
    np.load(path, allow_pickle=True)  # what would have happened
    assert (tmp_path / "touched").exists()


@pytest.mark.parametrize(
    "damage, said",
    [
        (lambda path: write(path.parent.parent, weights("conv1_1")), "lacks layer conv1_2.*it has conv1_1"),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "cannot read"),
        (lambda path: path.write_bytes(b"<html>"), "cannot read"),
        (lambda path: np.save(path, np.zeros(3)), r"array of shape \(3,\)"),
        (lambda path: path.write_bytes(path.read_bytes()[:40]), "cannot read"),
        (lambda path: write(path.parent.parent, [1, 2]), r"array of shape \(2,\)|holds a list"),
        (lambda path: write(path.parent.parent, {n: [np.zeros(4)] * 2 for n in CONV1}), "conv1_1 has a kernel of"),
        (lambda path: write(path.parent.parent, weights(*reversed(CONV1))), "conv1_1 has a kernel of .*of 3 channels"),
        (lambda path: write(path.parent.parent, {n: [np.zeros((3, 3, 3, 4))] for n in CONV1}), "cannot read"),
        (
            lambda path: write(path.parent.parent, {n: [np.full((3, 3, 3, 3), np.nan), np.zeros(3)] for n in CONV1}),
            "conv1_1 has values that are not finite",
        ),
    ],
)
def test_a_file_that_will_not_do_is_one_line(tmp_path, damage, said):
    path = write(tmp_path, weights(*CONV1))
    damage(path)
    with pytest.raises(UserError, match=said) as refused:
        vgg.load_features(tmp_path, "conv1_2")
    assert str(path) in str(refused.value) and "\n" not in str(refused.value)


def test_without_file_and_download_it_says_where_to_put_one(tmp_path, monkeypatch):
    def offline(**_):
        raise Exception("URL fetch failure\non a second line")

    monkeypatch.setattr(keras.applications, "VGG19", offline)
    with pytest.raises(UserError, match=r"Models/vgg19\.npy is not there.*--pcp_weight=0") as refused:
        vgg.load_features(tmp_path, "conv2_2")
    assert "\n" not in str(refused.value)


def test_unknown_layer_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"--layer_name=conv2_3.*conv5_4"):
        vgg.load_features(tmp_path, "conv2_3")


def test_arrays_by_columns_are_read(tmp_path):
    made = weights(*CONV1)
    write(tmp_path, made)
    expected = vgg.load_features(tmp_path, "conv1_2")(images())
    write(tmp_path, {name: [np.asfortranarray(kernel), bias] for name, (kernel, bias) in made.items()})
    np.testing.assert_array_equal(vgg.load_features(tmp_path, "conv1_2")(images()), expected)
