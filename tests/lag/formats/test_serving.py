"""Versions for TensorFlow Serving: loaded as a session, as Serving does, and asked with Serving's own messages."""

import base64
import io
import itertools
import json
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import lag
from lag.formats import card, saved_model, served
from lag.formats.versions import new_version, newest_version
from libml.errors import UserError
from libml.images import encode_png, to_uint8
from libml.system.store_path import to_path
from tests.lag.formats.test_export import fail, file_of
from tests.programs.test_documents import FENCED, ROOT
from tests.support.images import blobs
from tests.support.late_store import KilledError
from tests.support.programs import mistake, start

MOST = 600  # pixels


@pytest.fixture(scope="module")
def base(run, tmp_path_factory):
    """What Serving watches, with one version, which the program has exported."""
    folder = tmp_path_factory.mktemp("models") / "faces"
    done = start("scripts/export.py", f"--run={run}", "--serving", f"--output={folder}", f"--max_pixels={MOST}")
    assert (done.returncode, done.stdout) == (0, f"wrote {folder}/1: SavedModel, cifar10 4x, 3 kimg\n"), done.stderr
    return folder


class Session:
    """A version as Serving loads it: a session of TensorFlow 1, asked by the names of a signature."""

    def __init__(self, folder: Path):
        self.session = tf.compat.v1.Session(graph=tf.Graph())
        with self.session.graph.as_default():
            loaded = tf.compat.v1.saved_model.load(self.session, [tf.saved_model.SERVING], str(folder))
        self.signatures = loaded.signature_def

    def ask(self, signature: str, inputs: dict) -> dict[str, np.ndarray]:
        known = self.signatures[signature]
        assert inputs.keys() == known.inputs.keys()
        feed = {known.inputs[name].name: value for name, value in inputs.items()}
        return self.session.run({name: info.name for name, info in known.outputs.items()}, feed)

    def refusal(self, signature: str, **inputs) -> str:
        with pytest.raises(tf.errors.InvalidArgumentError) as caught:
            self.ask(signature, inputs)
        return str(caught.value.message)


@pytest.fixture(scope="module")
def session(base):
    return Session(base / "1")


def requests_of(version: Path) -> list:
    prediction_log_pb2 = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    records = tf.data.TFRecordDataset(str(version / "assets.extra" / "tf_serving_warmup_requests"))
    logs = [prediction_log_pb2.PredictionLog.FromString(record.numpy()) for record in records]
    assert all(log.WhichOneof("log_type") == "predict_log" for log in logs)
    return [log.predict_log.request for log in logs]


def arrays(request) -> dict[str, np.ndarray]:
    return {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}


def test_serving_can_make_the_requests_that_warm_up(base, session):
    requests = requests_of(base / "1")
    asked = {request.model_spec.signature_name for request in requests}
    described = json.loads((base / "1" / "model.json").read_text())["signatures"]
    assert asked == set(session.signatures) - {"__saved_model_init_op"} == described.keys()
    for request in requests:
        (made,) = session.ask(request.model_spec.signature_name, arrays(request)).values()
        size = Image.open(io.BytesIO(made[0])).size if made.dtype == object else made.shape[1:3]
        assert len(made) == 1 and size == (64, 64)
        assert request == type(request).FromString(request.SerializeToString())


def test_each_picture_is_the_one_that_sample_makes_of_it_alone(run, session):
    sizes, noises, seeds = [(3, 5), (8, 4), (6, 6), (6, 6)], [0.0, 1.0, 0.5, 0.5], [1, 2, 3, 2**40]
    lores = [np.random.default_rng(h).integers(0, 256, [h, w, 3], np.uint8) for h, w in sizes]
    files = [encode_png(pixels) for pixels in lores]
    made = session.ask("pictures", {"image_bytes": files, "noise": noises, "seed": seeds})["hires_bytes"]
    plain = served.ExportedGenerator(served.measured(run, "float32")[0])
    for file, pixels, noise, seed in zip(made, lores, noises, seeds, strict=True):
        expected = plain.sample(pixels[None] * np.float32(2 / 255) - 1, noise, seed)["hires"].numpy()[0]
        found = np.array(Image.open(io.BytesIO(file))).astype(int)
        assert found.shape == expected.shape and np.abs(found - to_uint8(expected)).max() <= 1
    assert made[2] != made[3]
    assert len(session.ask("pictures", {"image_bytes": [], "noise": [], "seed": []})["hires_bytes"]) == 0


def test_a_request_beyond_a_bound_is_refused_before_anything_is_decoded(session):
    def pictures(*files, noise=0.5, noises=None):
        n = len(files)
        return session.refusal("pictures", image_bytes=files, noise=noises or [noise] * n, seed=[0] * n)

    small = file_of("png", (20, 15))
    png = small[:16] + struct.pack(">2I", 30000, 20000) + small[24:]
    for bomb, width in [(png, "30000"), (file_of("jpeg", (601, 1))[:1000], "601")]:
        assert f"an image of] [{width}] [x]" in pictures(small, bomb)
    assert "a request has 600 pixels at most, and this one] [900]" in pictures(small, small, small)
    assert "a request has 16777216 bytes at most" in pictures(small + bytes(1 << 24))
    for other in (b"", b"\x89PNG", b"no picture", file_of("gif", (9, 5))):
        assert "images must be PNG or JPEG files" in pictures(other)
    for noise in (-0.1, 10.5, np.nan, np.inf):
        assert "noise must be from 0 to 10" in pictures(small, noise=noise)
    assert "of each one:] [1 2 1]" in pictures(small, noises=[0.5, 0.5])
    assert "Invalid PNG data" in pictures(small[:-20])
    lores, z = np.zeros([2, 20, 16, 3], np.float32), np.zeros([2, 20, 16, 2], np.float32)
    words = "a request has 600 pixels at most, and this one] [640]"
    assert words in session.refusal("serving_default", lores=lores)
    assert words in session.refusal("sample", lores=lores, noise=0.0, seed=0)
    assert words in session.refusal("generate", lores=lores, z=z)


def numbers(folder: Path) -> list[str]:
    """The names that Serving takes for versions."""
    return sorted(path.name for path in folder.iterdir() if path.name.lstrip("+-").isdigit())


def test_a_version_is_seen_when_it_is_complete(run, base, tmp_path, monkeypatch):
    folder, card_of = tmp_path / "faces", served.write_card
    with monkeypatch.context() as patch, pytest.raises(UserError, match="no space left"):
        patch.setattr(tf.saved_model, "save", fail)
        served.export_version(run, folder)
    assert [path.name for path in folder.iterdir()] == []
    (folder / "notes.txt").write_text("a user's")
    (folder / "9").mkdir()  # another's
    (folder / ".10.tmp" / "variables").mkdir(parents=True)  # of one that was killed
    seen = []

    def write(temporary, contents):
        made = card_of(temporary, contents)
        seen.extend([numbers(folder), sorted(path.name for path in temporary.iterdir())])
        return made

    monkeypatch.setattr(served, "write_card", write)
    version, made = served.export_version(run, folder)
    names = ["README.md", "assets", "assets.extra", "model.json", "saved_model.pb", "variables"]
    assert seen == [["9"], names] and sorted(path.name for path in version.iterdir()) == names
    assert sorted(path.name for path in folder.iterdir()) == ["10", "9", "notes.txt"]
    assert made == card.load_description(version) and made["max_pixels"] == 65536
    y = blobs(1, 4)[0]
    np.testing.assert_array_equal(lag.load(folder).sample(y, n=2), lag.load(run).sample(y, n=2))
    (folder / "11").mkdir()
    with pytest.raises(UserError, match="faces/11 is neither a run folder"):
        lag.load(folder)


def test_mistakes_are_one_line(run, base, tmp_path):
    words = ["scripts/export.py", f"--run={run}", "--output=x"]
    assert "leave out --format=onnx" in mistake(*words, "--serving", "--format=onnx")
    assert "--max_pixels bounds what --serving takes" in mistake(*words, "--max_pixels=9")
    for most in (0, 2**20 + 1):
        with pytest.raises(UserError, match=f"--max_pixels={most} must be from 1 to 1048576"):
            served.export_version(run, tmp_path / "other", max_pixels=most)
    with pytest.raises(UserError, match=r"is an export.*move the export to .*/1"):
        served.export_version(run, base / "1")
    with pytest.raises(UserError, match="holds versions for TensorFlow Serving: add --serving"):
        saved_model.export_run(run, base)


def test_on_a_store_serving_can_load_what_is_complete_alone(late_store):
    facts = {"kind": "LAG generator", "scale": 4, "colors": 3, "noise_dim": 2, "receptive_radius": 5, "nimg": 1024}
    files = {"variables/variables.index": "a", "saved_model.pb": "b"}
    files |= {card.CARD_FILE: json.dumps({**facts, "fingerprint": "f"})}

    def export(base):
        with new_version(base) as (_, temporary):
            for name, text in files.items():
                (temporary / name).parent.mkdir(parents=True, exist_ok=True)
                (temporary / name).write_text(text)

    for n in itertools.count(1):
        base = to_path(f"late://models/{n}")
        export(base)
        late_store.revive()
        late_store.dies_at = n
        try:
            export(base)
        except KilledError:
            late_store.revive()
            if (base / "2" / "saved_model.pb").is_file():
                assert all((base / "2" / name).is_file() for name in files)
            export(base)
            assert newest_version(base).name in "23"
        else:
            break
    late_store.revive()
    assert n > 5 and newest_version(base) == base / "2"


def test_on_a_store_versions_that_a_hand_has_put_there_or_moved_away_count_as_they_lie(late_store):
    base = to_path("late://models/faces")
    for number in (1, 2):
        with new_version(base) as (folder, temporary):
            (temporary / "saved_model.pb").parent.mkdir(parents=True, exist_ok=True)
            (temporary / "saved_model.pb").write_text(str(number))
            (temporary / card.CARD_FILE).write_text("{}")
        assert folder == base / str(number)
    late_store.late = 0
    (base / "3" / "saved_model.pb").write_bytes(b"by hand")
    assert newest_version(base) == base / "3"
    with pytest.raises(SystemExit), new_version(base) as (folder, _):
        raise SystemExit
    assert folder == base / "4" and (base / "3" / "saved_model.pb").read_bytes() == b"by hand"
    for number in (3, 2):
        for file in list((base / str(number)).walk()):
            file.unlink()
    assert newest_version(base) == base / "1"


def block(word: str) -> str:
    (found,) = [text for _, text in FENCED.findall((ROOT / "docs" / "export.md").read_text()) if word in text]
    return found


def values(column: list) -> list:
    return [base64.b64decode(value["b64"]) if isinstance(value, dict) else value for value in column]


class Rest(BaseHTTPRequestHandler):
    """Serving's REST: rows of named values, bytes as {"b64": ...}, as outputs whose names end in _bytes are, too."""

    def do_POST(self):
        assert self.path == "/v1/models/faces:predict"
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        inputs = {name: values([row[name] for row in asked["instances"]]) for name in asked["instances"][0]}
        ((name, made),) = self.server.model.ask(asked["signature_name"], inputs).items()
        assert name.endswith("_bytes")
        answer = json.dumps({"predictions": [{"b64": base64.b64encode(png).decode()} for png in made]}).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *words):
        pass


def test_the_documented_requests_are_answered(session, tmp_path, monkeypatch):
    grpc = pytest.importorskip("grpc")
    pytest.importorskip("tensorflow_serving.apis")
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    class Grpc(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):  # noqa: N802
            assert request.model_spec.name == "faces"
            answer = predict_pb2.PredictResponse()
            for name, value in session.ask(request.model_spec.signature_name, arrays(request)).items():
                answer.outputs[name].CopyFrom(tf.make_tensor_proto(value))
            return answer

    monkeypatch.chdir(tmp_path)
    Path("small.png").write_bytes(encode_png(blobs(1, 8)[0]))
    rest, pool = HTTPServer(("127.0.0.1", 0), Rest), grpc.server(ThreadPoolExecutor(1))
    rest.model = session
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Grpc(), pool)
    port = pool.add_insecure_port("127.0.0.1:0")
    pool.start()
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    made = []
    for text in (
        block("urlopen").replace("localhost:8501", f"127.0.0.1:{rest.server_port}"),
        block("insecure_channel").replace("localhost:8500", f"127.0.0.1:{port}"),
    ):
        exec(compile(text, "docs/export.md", "exec"), {})
        made.append(Path("large.png").read_bytes())
    rest.shutdown()
    pool.stop(None)
    assert made[0] == made[1] and Image.open("large.png").size == (32, 32)
