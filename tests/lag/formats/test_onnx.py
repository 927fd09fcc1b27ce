"""An ONNX file: the images of the SavedModel, without TensorFlow."""

import json
import os
import re
import shutil
import subprocess
import sys
from unittest.mock import ANY

import numpy as np
import pytest
from PIL import Image

import lag
from lag.formats import card, onnx_export, onnx_model
from lag.formats import saved_model as export
from lag.formats.registry import load_model
from lag.upscaling.choosing import Options
from lag.upscaling.folder import upscale_all
from libml.errors import UserError
from libml.images import to_uint8
from libml.layers.resample import DOWNSCALERS
from tests.support import ROOT
from tests.support.programs import mistake, start
from tests.support.untrained import untrained_run

MISSING = "NOTHING OF ONNX IS TESTED: pip install -r requirements-onnx.txt"
onnx, onnxruntime = (pytest.importorskip(name, reason=MISSING) for name in ("onnx", "onnxruntime"))
pytest.importorskip("tf2onnx", reason=MISSING)

# In the place of TensorFlow: an import that fails.
ALONE = "import sys\nfor name in ('tensorflow', 'keras', 'tf2onnx', 'onnx', 'scipy'): sys.modules[name] = None\n"


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    """A folder with the same generator as SavedModel, as ONNX file, and as ONNX file made of the SavedModel."""
    folder = tmp_path_factory.mktemp("exports")
    export.export_run(run, folder / "saved")
    onnx_export.export_run(run, folder / "onnx")
    (folder / "again").mkdir()
    (folder / "again" / "model.onnx").write_bytes(onnx_export.convert_any(folder / "saved"))
    return folder


def session(folder):
    return onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])


def differences(folder, model, size, seed=0, colors=3) -> tuple[float, int]:
    """The largest of the images' values, and of their grey levels, to those of a run or a SavedModel."""
    rng = np.random.default_rng(seed)
    lores = rng.uniform(-1, 1, [*size, colors]).astype(np.float32)
    z = rng.normal(size=[*size, 2]).astype(np.float32)
    (made,) = session(folder).run(["hires"], {"lores": lores, "z": z})
    expected = load_model(model).generate(lores, z)
    assert made.shape == expected.shape == (size[0], 4 * size[1], 4 * size[2], colors) and np.std(expected) > 0.1
    levels = to_uint8(made).astype(int) - to_uint8(expected)
    return float(np.max(np.abs(np.clip(made, -1, 1) - np.clip(expected, -1, 1)))), int(np.max(np.abs(levels)))


@pytest.mark.parametrize("size", [(1, 1, 1), (1, 8, 8), (3, 5, 7), (2, 23, 12)])
def test_the_images_of_the_saved_model(exported, size):
    for name in ("onnx", "again"):
        difference, levels = differences(exported / name, exported / "saved", size)
        assert difference < 1e-5 and levels == 0


@pytest.mark.parametrize(
    "options",
    [
        {"kimgs": (1,)},
        {"kimgs": (1.5,)},
        {"colors": 1, "weight_avg": 0.0},
        {"noise_shared": 0.5},
        *({"consistent": True, "downscaler": name} for name in DOWNSCALERS),
    ],
)
def test_every_phase(options, tmp_path):
    run = untrained_run(tmp_path / "runs", **options)
    onnx_export.export_run(run, tmp_path / "onnx")
    difference, levels = differences(tmp_path / "onnx", run, (2, 5, 4), colors=options.get("colors", 3))
    assert difference < 1e-5 and levels == 0


def test_the_file_describes_itself(exported):
    model = onnx.load(exported / "onnx" / "model.onnx")
    axes = {v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim] for v in model.graph.input}
    assert axes == {"lores": ["batch", "height", "width", 3], "z": ["batch", "height", "width", 2]}
    described = json.loads({p.key: p.value for p in model.metadata_props}["lag"])
    assert onnx_model.load(exported / "again").card == described | {"readme": ANY}
    written = json.loads((exported / "onnx" / "model.json").read_text())
    saved = json.loads((exported / "saved" / "model.json").read_text())
    assert described == {k: v for k, v in written.items() if k != "readme"}
    assert set(written["signatures"]) == {"generate"} and (written["format"], saved["format"]) == ("ONNX", "SavedModel")
    assert {k: v for k, v in written.items() if saved[k] != v}.keys() == {"format", "signatures", "readme"}


def test_without_tensorflow_the_same_samples(run, exported, tmp_path):
    y = np.random.default_rng(0).integers(0, 256, [5, 7, 3], np.uint8)
    np.save(tmp_path / "y.npy", y)
    code = f"{ALONE}import lag, numpy\nmodel = lag.load(sys.argv[1]); y = numpy.load('y.npy')\n"
    code += (
        "numpy.savez('made.npz', center=model.center(y), samples=model.sample(y, 3, 0.7, 5)); print(model.card['nimg'])"
    )
    for path in (exported / "onnx", exported / "onnx" / "model.onnx"):
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", code, str(path)]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "3072\n", "")
        made, model = np.load(tmp_path / "made.npz"), lag.load(run)
        for ours, theirs in ((made["center"], model.center(y)), (made["samples"], model.sample(y, 3, 0.7, 5))):
            assert ours.dtype == np.uint8 and np.max(np.abs(ours.astype(int) - theirs)) <= 1


def test_upscaling_takes_it_and_imports_no_tensorflow(exported, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, [5, 7, 3], np.uint8)
    Image.fromarray(pixels).save(tmp_path / "small.png")
    upscale_all(load_model(exported / "saved"), None, tmp_path, tmp_path / "saved", Options(2, consistent=True))
    words = [f"--model={exported}/onnx/model.onnx", f"--input={tmp_path}/small.png", f"--output={tmp_path}/onnx"]
    done = start("-X", "importtime", "scripts/upscale.py", *words, "--samples=2", "--noise=1", "--consistent", "--grid")
    assert done.returncode == 0 and "1 upscaled" in done.stdout, done.stderr
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "import time:" in line}
    assert "lag.upscaling.one_picture" in imported and not imported & {"tensorflow", "keras", "onnx", "tf2onnx"}
    ours, theirs = (np.array(Image.open(tmp_path / name / "small_1.png")).astype(int) for name in ("onnx", "saved"))
    assert np.max(np.abs(ours - theirs)) <= 2  # rounding, and the agreement with the input after it
    words = [f"--model={exported}/onnx/model.onnx", f"--input={tmp_path}/small.png", f"--output={tmp_path}/best"]
    assert "ranking needs the critic" in mistake("scripts/upscale.py", *words, "--best=1", "--of=2")


EXPLORED = """
import json
from pathlib import Path
from lag.explorer import recipe as recipes
from lag.explorer.session import load_session
session = load_session(Path(sys.argv[1]), "nowhere")
session.examples.__init__("toyfaces32", 3, "nowhere")
picture = session.example(2)["picture"]
head = {"recipe": 1, "model": session.model.fingerprint, "picture": picture, "seed": 0}
sample = {"op": "sample", "index": 1, "noise": 1.0}
result = session.make(recipes.parse({**head, "operations": [sample, {"op": "consistent"}]}))
print(json.dumps([session.describe()["critic"], result.pixels.shape, result.measures["lores_max"]]))
"""


def test_the_explorer_takes_it_without_tensorflow(exported, tmp_path):
    """With test images that are drawn, made small by the mean: the agreement with them is exact."""
    command = [sys.executable, "-c", ALONE + EXPLORED, str(exported / "onnx")]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == [False, [32, 32, 3], 0]


def front_matter(text: str) -> dict[str, str]:
    head = re.fullmatch(r"---\n(.*?)\n---\n.*", text, re.S)[1]
    return dict(re.findall(r"^(\w+): *(.*)$", head, re.M))


@pytest.mark.parametrize("kind, library", [("onnx", "onnx"), ("saved", "tensorflow")])
def test_the_readme_is_a_model_card_whose_snippets_run(exported, kind, library, tmp_path):
    text = (exported / kind / "README.md").read_text()
    assert front_matter(text) == {"library_name": library, "pipeline_tag": "image-to-image", "tags": ""}
    for fact in ("LAG 4x, trained on cifar10", "3072 images seen", "not recovered truth", "`average`"):
        assert fact in text
    with_project, without = re.findall(r"```python\n(.*?)```", text, re.S)
    (tmp_path / "MODEL").symlink_to(exported / kind)
    y = np.zeros([5, 7, 3], np.uint8)
    prepare = "import numpy as np\ny = np.zeros([5, 7, 3], np.uint8)\nlores = y[None] * np.float32(2 / 255) - 1\n"
    code = f"{prepare}{with_project}\n{without}\nprint(images.shape, hires.shape)"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stdout == "(8, 20, 28, 3) (1, 20, 28, 3)\n", (done.stderr, y.shape)


def test_an_export_takes_the_place_of_another_but_not_of_a_readme_of_the_user_s(run, exported, tmp_path):
    shutil.copytree(exported / "saved", tmp_path / "export")
    onnx_export.export_run(run, tmp_path / "export")
    assert sorted(p.name for p in (tmp_path / "export").iterdir()) == ["README.md", "model.json", "model.onnx"]
    assert not card.has_own_readme(tmp_path / "export")
    with (tmp_path / "export" / "README.md").open("a") as file:
        file.write("Licence: mine.\n")
    for again in (export.export_run, onnx_export.export_run):
        with pytest.raises(UserError, match=r"README\.md is not as the export wrote it: move it elsewhere"):
            again(run, tmp_path / "export")
    assert (tmp_path / "export" / "README.md").read_text().endswith("mine.\n")
    (tmp_path / "export" / "README.md").unlink()
    export.export_run(run, tmp_path / "export")
    assert (tmp_path / "export" / "saved_model.pb").exists() and not (tmp_path / "export" / "model.onnx").exists()


def changed(folder, output, **facts):
    """A copy of the ONNX file whose description says other things."""
    model = onnx.load(folder / "onnx" / "model.onnx")
    described = json.loads(model.metadata_props[0].value) | facts
    onnx.helper.set_model_props(model, {"lag": json.dumps(described)})
    onnx.save(model, output)


def test_mistakes_are_one_line(exported, tmp_path, monkeypatch):
    file = tmp_path / "model.onnx"
    with pytest.raises(UserError, match=r"model\.onnx does not exist"):
        lag.load(file)
    file.write_bytes((exported / "onnx" / "model.onnx").read_bytes()[:9000])
    with pytest.raises(UserError, match=r"cannot read .*model\.onnx"):
        lag.load(file)
    changed(exported, file, kind="another's")
    with pytest.raises(UserError, match="lacks the description"):
        lag.load(file)
    changed(exported, file, scale=8)
    with pytest.raises(UserError, match="not what its description says; export it again"):
        lag.load(file)
    changed(exported, file, noise_dim=3)
    with pytest.raises(UserError, match=r"cannot read .*model\.onnx"):
        lag.load(file)
    shutil.copy(exported / "onnx" / "model.onnx", file)
    with pytest.raises(UserError, match="rank needs the critic"):
        lag.load(file).rank(np.zeros([1, 1, 3], np.uint8), np.zeros([1, 4, 4, 3], np.uint8))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match="needs onnxruntime: pip install onnxruntime"):
        lag.load(file)
    assert onnx_model.PROPERTY == "lag"


def test_a_missing_converter_is_named(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(UserError, match=r"needs tf2onnx: pip install -r requirements-onnx\.txt"):
        onnx_export.export_run(run, tmp_path / "export")
    assert not list(tmp_path.iterdir())


def test_the_program(run, tmp_path):
    words = ["scripts/export.py", f"--run={run}", f"--output={tmp_path}/model", "--format=onnx"]
    done = start(*words)
    assert (done.returncode, done.stdout) == (0, f"wrote {tmp_path}/model: ONNX, cifar10 4x, 3 kimg\n"), done.stderr
    assert "--format=onnx stores float32" in mistake(*words, "--weights=float16")
