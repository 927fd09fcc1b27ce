"""The page without a server: what its folder holds, and the one line for what it lacks."""

import hashlib
import io
import json
import subprocess
import tarfile

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from lag.explorer import onnxruntime_web, static_page
from lag.explorer.onnxruntime_web import PROGRAM, SCRIPT, VERSION, runtime
from lag.explorer.server import STATIC
from libml.datasets.toyfaces import SEED, TRAIN_IMAGES, draw_face
from libml.errors import UserError
from libml.layers.resample import average_downscale2d, bicubic_downscale2d
from tests.support.onnx_file import CARD, SCALE, write_generator

CONTENTS = {SCRIPT: b"script", PROGRAM: b"program"}


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Maker of a package, whose files are the right ones."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()}
    monkeypatch.setattr(onnxruntime_web, "DIGESTS", digests)

    def make(path, contents=CONTENTS):
        with tarfile.open(path, "w:gz") as archive:
            for name, content in contents.items():
                entry = tarfile.TarInfo(f"package/dist/{name}")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        return path

    return make


def test_a_folder_for_any_web_server(package, tmp_path):
    for name in ("onnx", "onnxruntime"):
        pytest.importorskip(name)
    write_generator(tmp_path / "model.onnx")
    folder = tmp_path / "new" / "page"
    static_page.write_page(tmp_path / "model.onnx", folder, str(package(tmp_path / "p.tgz")), "nowhere")
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    scripts = {f"static/{p.relative_to(STATIC)}" for p in STATIC.rglob("*.*")} - {
        "static/index.html",
        "static/server.js",
    }
    runtime_files = {"onnxruntime/ort.js", "onnxruntime/ort.wasm"}
    examples = {f"examples/{i}{kind}.png" for i in range(48) for kind in ("", "_small")}
    assert files.keys() == scripts | runtime_files | examples | {"index.html", "model.json", "model.onnx", "README.txt"}
    page = files["index.html"].read_text()
    assert 'content="./alone/backend.js"' in page and "'wasm-unsafe-eval'" in page and "./server.js" not in page
    facts = json.loads(files["model.json"].read_text())
    assert facts["fingerprint"] == CARD["fingerprint"] and facts["critic"] is False and facts["noise_dim"] == 2
    assert files["model.onnx"].read_bytes() == (tmp_path / "model.onnx").read_bytes()
    assert files["onnxruntime/ort.wasm"].read_bytes() == b"program" and VERSION in files["README.txt"].read_text()
    with pytest.raises(UserError, match="is there and not empty"):
        static_page.write_page(tmp_path / "model.onnx", folder, None, "nowhere")


@pytest.mark.parametrize("downscaler", ["average", "bicubic"])
def test_test_images_are_made_small_as_the_model_s_pictures_are(package, tmp_path, monkeypatch, downscaler):
    for name in ("onnx", "onnxruntime"):
        pytest.importorskip(name)
    monkeypatch.setitem(CARD, "downscaler", downscaler)
    write_generator(tmp_path / "model.onnx")
    static_page.write_page(tmp_path / "model.onnx", tmp_path / "page", str(package(tmp_path / "p.tgz")), "nowhere")
    large, small = (np.array(Image.open(tmp_path / "page" / "examples" / f"3{kind}.png")) for kind in ("", "_small"))
    assert np.array_equal(large, draw_face(SEED, TRAIN_IMAGES + 3, 32))
    images = tf.constant(large[None] / np.float32(127.5) - 1, tf.float32)
    expected = {"average": average_downscale2d, "bicubic": bicubic_downscale2d}[downscaler](images, SCALE)
    assert np.array_equal(small, np.clip(np.rint((expected[0] + 1) * 127.5), 0, 255))


def test_of_versions_for_serving_the_newest_is_taken(package, tmp_path):
    for name in ("onnx", "onnxruntime"):
        pytest.importorskip(name)
    for version in ("9", "10"):
        (tmp_path / "base" / version).mkdir(parents=True)
        write_generator(tmp_path / "base" / version / "model.onnx")
    (tmp_path / "base" / "9" / "model.onnx").write_bytes(b"older")
    static_page.write_page(tmp_path / "base", tmp_path / "page", str(package(tmp_path / "p.tgz")), "nowhere")
    newest = tmp_path / "base" / "10" / "model.onnx"
    assert (tmp_path / "page" / "model.onnx").read_bytes() == newest.read_bytes()


def test_a_package_comes_as_file_or_folder_and_is_checked(package, tmp_path):
    folder = tmp_path / "onnxruntime-web"
    (folder / "dist").mkdir(parents=True)
    for name, content in CONTENTS.items():
        (folder / "dist" / name).write_bytes(content)
    for path in (folder, folder / "dist", package(tmp_path / "whole.tgz")):
        assert runtime(str(path)) == CONTENTS
    (folder / "dist" / PROGRAM).write_bytes(b"another")
    (tmp_path / "damaged.tgz").write_bytes((tmp_path / "whole.tgz").read_bytes()[:60])
    for path, said in [
        (folder, f"is not that of onnxruntime-web {VERSION}"),
        (package(tmp_path / "half.tgz", {SCRIPT: b"script"}), f"cannot read {PROGRAM} of"),
        (tmp_path / "damaged.tgz", f"cannot read {SCRIPT} of"),
        (tmp_path / "nowhere", f"cannot read {SCRIPT} of"),
        (tmp_path, f"holds no {SCRIPT}"),
    ]:
        with pytest.raises(UserError, match=said) as caught:
            runtime(str(path))
        assert "--onnxruntime_web=FILE" in str(caught.value)


def test_a_package_with_any_wrong_byte_is_one_line(package, tmp_path):
    whole, refused = package(tmp_path / "whole.tgz").read_bytes(), 0
    for i in range(len(whole)):
        (tmp_path / "wrong.tgz").write_bytes(whole[:i] + bytes([whole[i] ^ 0x55]) + whole[i + 1 :])
        try:
            assert runtime(str(tmp_path / "wrong.tgz")) == CONTENTS
        except UserError as e:
            refused += "\n" not in str(e)
    assert refused > len(whole) / 2


def test_npm_fetches_it_or_costs_one_line(package, tmp_path, monkeypatch):
    def npm(work):
        monkeypatch.setattr(subprocess, "run", work)

    def fetch(command, cwd, **options):
        assert command[:3] == ["npm", "pack", f"onnxruntime-web@{VERSION}"]
        package(cwd / "onnxruntime-web.tgz")
        return subprocess.CompletedProcess(command, 0, "", "")

    def missing(*words, **options):
        raise FileNotFoundError("npm")

    npm(fetch)
    assert runtime(None) == CONTENTS
    npm(lambda command, **options: subprocess.CompletedProcess(command, 1, "", "npm error code ENOTFOUND\nmore\n"))
    with pytest.raises(UserError, match=r"npm cannot fetch onnxruntime-web \(npm error code ENOTFOUND\)"):
        runtime(None)
    npm(missing)
    with pytest.raises(UserError, match="is not installed: install it, or give --onnxruntime_web=FILE"):
        runtime(None)
