"""The SavedModel: run where none of this project's code is, equal to the run's own generator."""

import io
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from lag.formats import saved_model as export
from lag.formats.exported import ExportedGenerator
from lag.formats.registry import load_model
from lag.trained import load_trained
from libml.errors import UserError
from libml.images import encode_png, to_uint8
from libml.system.files import lock_file
from tests.support.untrained import untrained_run

SIZES = [(1, 4, 4), (7, 23, 31)]
NOISE, SEED = 0.7, 5

# What a stranger would write: TensorFlow, NumPy and the folder.
STRANGER = """
import importlib.util
import numpy as np
import tensorflow as tf
assert not importlib.util.find_spec("lag") and not importlib.util.find_spec("libml")
run = tf.saved_model.load("export").signatures
assert sorted(run) == ["encoded", "generate", "sample", "serving_default"]
made = {}
for key, value in np.load("inputs.npz").items():
    if not key.startswith("lores"):
        continue
    x, z = tf.constant(value), tf.constant(np.load("inputs.npz")["z" + key[5:]])
    noise, seed = tf.constant(0.7), tf.constant(5, tf.int64)
    files = tf.constant([tf.io.encode_png(i).numpy() for i in tf.cast(tf.round((x + 1) * 127.5), tf.uint8)])
    made["center" + key[5:]] = run["serving_default"](lores=x)["hires"]
    made["sample" + key[5:]] = run["sample"](lores=x, noise=noise, seed=seed)["hires"]
    made["generate" + key[5:]] = run["generate"](lores=x, z=z)["hires"]
    made["encoded" + key[5:]] = run["encoded"](images=files, noise=noise, seed=seed)["images"]
np.savez("outputs.npz", **{k: np.array(v) for k, v in made.items()})
"""


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(0)
    found = {}
    for n, h, w in SIZES:
        pixels = rng.integers(0, 256, [n, h, w, 3])
        found[f"lores{n}"] = (pixels * np.float32(2 / 255) - 1).astype(np.float32)
        found[f"z{n}"] = rng.normal(size=[n, h, w, 2]).astype(np.float32)
    return found


def stranger(folder, description, inputs):
    """Runs an export in a folder of its own, in a process that cannot import the project."""
    assert description["kind"] == "LAG generator"
    np.savez(folder / "inputs.npz", **inputs)
    (folder / "use.py").write_text(STRANGER)
    done = subprocess.run([sys.executable, "-I", "use.py"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "custom gradients" not in done.stderr
    return np.load(folder / "outputs.npz", allow_pickle=True)


def test_a_stranger_makes_the_run_s_images(run, inputs, tmp_path):
    made = stranger(tmp_path, export.export_run(run, tmp_path / "export"), inputs)
    sampler = load_trained(run).sampler()
    for n, h, w in SIZES:
        lores, z = inputs[f"lores{n}"], inputs[f"z{n}"]
        drawn = [tf.random.stateless_normal([h, w, 2], [SEED, i], alg="philox").numpy() for i in range(n)]
        sampled = sampler(lores, NOISE * np.stack(drawn))
        assert made[f"sample{n}"].shape == (n, 4 * h, 4 * w, 3) and np.std(sampled) > 0.1
        np.testing.assert_allclose(made[f"center{n}"], sampler(lores, np.zeros_like(z)), atol=1e-5)
        np.testing.assert_allclose(made[f"generate{n}"], sampler(lores, z), atol=1e-5)
        np.testing.assert_allclose(made[f"sample{n}"], sampled, atol=1e-5)
        for file, image in zip(made[f"encoded{n}"], sampled, strict=True):
            pixels = np.array(Image.open(io.BytesIO(file)))
            assert np.max(np.abs(pixels.astype(int) - to_uint8(image))) <= 1  # values that round either way


def test_noise_depends_on_seed_and_place_only(run):
    module = ExportedGenerator(load_trained(run))
    lores = np.random.default_rng(0).uniform(-1, 1, [5, 6, 4, 3]).astype(np.float32)
    whole, part, other = (
        module.sample(x, 1.0, s)["hires"].numpy() for x, s in [(lores, 1), (lores[:2], 1), (lores, 2)]
    )
    np.testing.assert_allclose(whole[:2], part, atol=1e-5)
    assert np.max(np.abs(whole - other)) > 0.1
    same = module.sample(lores[:1].repeat(2, 0), 1.0, 1)["hires"].numpy()
    assert np.max(np.abs(same[0] - same[1])) > 0.1


def test_it_holds_the_generator_and_nothing_else(run, tmp_path):
    export.export_run(run, tmp_path / "export")
    trained = load_trained(run)
    names = [name for name, _ in tf.train.list_variables(str(tmp_path / "export" / "variables" / "variables"))]
    stored = [name for name in names if name != "_CHECKPOINTABLE_OBJECT_GRAPH"]
    assert len(stored) == len(trained.generator.variables)
    description = json.loads((tmp_path / "export" / "model.json").read_text())
    expected = {"scale": 4, "colors": 3, "noise_dim": 2, "nimg": 3072, "lod": 2.0, "dataset": "cifar10"}
    assert {k: description[k] for k in expected} == expected
    assert description["parameters"]["blocks"] == 1 and "not recovered truth" in description["note"]
    assert set(description["versions"]) == {"tensorflow", "keras", "python"}


@pytest.mark.parametrize("options", [{"kimgs": (1,)}, {"kimgs": (1.5,)}, {"colors": 1, "weight_avg": 0.0}])
def test_every_phase_gives_full_size(options, tmp_path):
    run = untrained_run(tmp_path, **options)
    export.export_run(run, tmp_path / "export")
    loaded = tf.saved_model.load(str(tmp_path / "export"))
    colors = options.get("colors", 3)
    rng = np.random.default_rng(0)
    lores = rng.uniform(-1, 1, [2, 5, 4, colors]).astype(np.float32)
    z = rng.normal(size=[2, 5, 4, 2]).astype(np.float32)
    made = loaded.generate(lores, z)["hires"]
    assert made.shape == (2, 20, 16, colors)
    np.testing.assert_allclose(made, load_trained(run).sampler()(lores, z), atol=1e-5)
    files = [encode_png(to_uint8(image)) for image in lores]
    (png, _) = loaded.encoded(files, 0.0, 0)["images"].numpy()
    assert np.array(Image.open(io.BytesIO(png))).shape == ((20, 16, 3) if colors == 3 else (20, 16))


def test_shorter_weights_are_measured(run, tmp_path, monkeypatch):
    sizes = {}
    for weights in ("float32", "float16"):
        description = export.export_run(run, tmp_path / weights, weights)
        sizes[weights] = next((tmp_path / weights / "variables").glob("*.data*")).stat().st_size
        assert description["weights"] == weights
    assert sizes["float16"] < 0.75 * sizes["float32"]
    assert description["weights_psnr"] >= 40
    monkeypatch.setattr(export, "LEAST_PSNR", 200.0)
    with pytest.raises(UserError, match="nothing exported"):
        export.export_run(run, tmp_path / "refused", "bfloat16")
    assert not (tmp_path / "refused").exists()


def test_only_an_export_is_replaced(run, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    with pytest.raises(UserError, match="is no export"):
        export.export_run(run, tmp_path / "mine")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["file"]
    export.export_at_end(run)
    export.export_at_end(run)
    assert capsys.readouterr().out.splitlines() == [f"wrote {run}/export: SavedModel", f"{run}/export is up to date"]
    before = (run / "export" / "model.json").stat().st_ino
    export.export_run(run, run / "export")
    assert (run / "export" / "model.json").stat().st_ino != before
    assert not [p for p in run.iterdir() if p.name.startswith(".export")]


def test_an_export_in_the_run_learns_the_noise_that_an_evaluation_found(run, tmp_path, capsys):
    trained = tmp_path / "run"
    shutil.copytree(run, trained)
    export.export_at_end(trained)
    nimg = json.loads((trained / "export" / "model.json").read_text())["nimg"]
    (trained / "noise.json").write_text(json.dumps({"noise": 0.75, "nimg": nimg, "found_by": "SWD"}))
    for _ in range(2):
        export.export_at_end(trained)
    assert capsys.readouterr().out.splitlines()[1:] == [
        f"wrote {trained}/export: SavedModel",
        f"{trained}/export is up to date",
    ]
    assert json.loads((trained / "export" / "model.json").read_text())["recommended_noise"] == 0.75


def test_what_is_no_part_of_an_export_is_not_lost_with_it(run, tmp_path):
    export.export_run(run, tmp_path)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"notes\.txt"):
        export.export_run(run, tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.fixture(scope="module")
def exported(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    export.export_run(run, folder)
    return folder


FACTS = ("scale", "colors", "noise_dim", "receptive_radius", "nimg")


@pytest.mark.parametrize(
    "name, value",
    [
        *((name, value) for name in FACTS for value in (None, "4", -1, 1.0, True, [4], 10**30)),
        *(("fingerprint", value) for value in (None, 3, [])),
    ],
)
def test_a_description_that_cannot_be_is_none(exported, tmp_path, name, value):
    (tmp_path / "saved_model.pb").touch()
    description = json.loads((exported / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(description))
    assert export.load_description(tmp_path) == description
    (tmp_path / "model.json").write_text(json.dumps(description | {name: value}))
    assert export.load_description(tmp_path) is None
    (tmp_path / "model.json").write_text("[" * 100_000)
    assert export.load_description(tmp_path) is None


@pytest.mark.parametrize("change", [{"scale": 8}, {"colors": 1}, {"noise_dim": 3}])
def test_a_description_of_another_network_is_refused(exported, tmp_path, change):
    shutil.copytree(exported, tmp_path / "export")
    path = tmp_path / "export" / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError, match="cannot read"):
        load_model(tmp_path / "export")


def fail(*args, **options):
    raise tf.errors.ResourceExhaustedError(None, None, "no space left")


def test_a_failed_export_leaves_the_old_one(run, tmp_path, monkeypatch):
    export.export_run(run, tmp_path / "export")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(UserError, match="no space left"):
        export.export_run(run, tmp_path / "export")
    assert export.load_description(tmp_path / "export") and [p.name for p in tmp_path.iterdir()] == ["export"]


def test_leftovers_of_killed_exports_go(run, tmp_path, monkeypatch):
    export.export_run(run, tmp_path / "export")
    (tmp_path / "export").rename(tmp_path / ".export.old123")  # killed before the new one had its name
    for name in (".export.tmp", ".export.tmp77", ".export.tmp0a1b2c3d4e5f"):
        (tmp_path / name / "variables").mkdir(parents=True)
        (tmp_path / name / "saved_model.pb").write_bytes(b"half")
    kept = [".export.tmp5", ".export.oldest", ".export.tmpl", ".export2.tmp7", "export2"]
    for name in kept:
        (tmp_path / name).mkdir()
        (tmp_path / name / ("mine" if name == ".export.tmp5" else "saved_model.pb")).touch()
    with monkeypatch.context() as patch, pytest.raises(UserError, match="no space left"):
        patch.setattr(tf.saved_model, "save", fail)
        export.export_run(run, tmp_path / "export")
    assert export.load_description(tmp_path / "export")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["export", *kept])
    shutil.copytree(tmp_path / "export", tmp_path / ".export.old9")  # killed after that
    before = (tmp_path / "export" / "model.json").stat().st_ino
    export.export_run(run, tmp_path / "export")
    assert (tmp_path / "export" / "model.json").stat().st_ino != before
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["export", *kept])


def test_one_export_at_a_time(run, tmp_path):
    (tmp_path / ".export.tmp" / "variables").mkdir(parents=True)  # what the other one has written
    with (
        lock_file(tmp_path / ".export.lock", "busy"),
        pytest.raises(UserError, match="another program is exporting to"),
    ):
        export.export_run(run, tmp_path / "export")
    assert (tmp_path / ".export.tmp" / "variables").exists()


def file_of(kind: str, size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", size).save(buffer, kind)
    return buffer.getvalue()


def test_encoded_decodes_no_bomb(run):
    encoded = ExportedGenerator(load_trained(run)).encoded
    for kind in ("png", "jpeg"):
        assert encoded([file_of(kind, (9, 5))], 0.0, 0)["images"].shape == (1,)
        # The header alone: what decodes it says that it is damaged.
        for size in ((1025, 1024), (30000, 20000)):
            bomb = file_of(kind, size)[: 60 if kind == "png" else 1000]
            with pytest.raises(tf.errors.InvalidArgumentError, match=rf"an image of.*{size[0]}.*x.*{size[1]}.*at most"):
                encoded([file_of(kind, (9, 5)), bomb], 0.0, 0)
    for negative in (b"\xff\xff\xff\xff\xff\xff\xff\xff", b"\x80\0\0\0\0\0\0\x01", b"\0" * 8):
        png = file_of("png", (9, 5))
        with pytest.raises(tf.errors.InvalidArgumentError, match="an image of"):
            encoded([png[:16] + negative + png[24:]], 0.0, 0)
    for other in (b"", b"\x89PNG", b"no picture", file_of("gif", (9, 5)), file_of("bmp", (9, 5))):
        with pytest.raises(tf.errors.InvalidArgumentError, match="must be PNG or JPEG files"):
            encoded([other], 0.0, 0)


def test_nothing_to_export_is_said(tmp_path):
    with pytest.raises(UserError, match="no run folder"):
        export.export_run(tmp_path, tmp_path / "export")
    with pytest.raises(UserError, match="--weights=int8 is unknown"):
        export.export_run(tmp_path, tmp_path / "export", "int8")
