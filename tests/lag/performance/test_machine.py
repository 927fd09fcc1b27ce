"""The check of a machine: how its time is shared, what its rows say in words, and its report."""

import json
import sys

import numpy as np
import pytest

from lag.config import LAGConfig
from lag.performance.machine import curve, measures, report, running, words
from lag.performance.machine.report import Outcome
from lag.performance.machine.running import Part
from tests.support.images import TINY
from tests.support.programs import mistake, start
from tests.support.steps import FIRST, batch, make, terms_of

FACTS = [{"what": "TensorFlow", "is": "2.21.0"}, {"what": words.DEVICES, "is": 1}]
ON_GPUS = [{"what": "GPU 0", "is": "a GPU"}, {"what": words.DEVICES, "is": 2}]
STEP = {"size": "S", "precision": "float32", "remat": False, "XLA": False, "images/s": 100.0, "of convolution": 0.5}
READ = {"size": "S", "pipeline, images/s": 150.0, "decoding, images/s": 160.0}


@pytest.mark.parametrize(
    "found, said",
    [
        ({"facts": [{"what": "TensorFlow", "is": "2.30.0"}]}, "TensorFlow 2.30.0 is installed"),
        ({"facts": [{"what": "NVIDIA's driver", "is": "550"}]}, "TensorFlow shows no GPU"),
        ({"facts": [{"what": "bfloat16", "is": words.NOT_FAST}]}, "no instructions for bfloat16"),
        (
            {"parity": [{"precision": "float32", "file": "f", "group": "grad_d", "error": 1e-3, "bound": 2e-5}]},
            "grad_d",
        ),
        ({"parity": [{"precision": "tf32", "file": "f", "group": "gp", "error": float("nan")}]}, "training in tf32"),
        ({"devices": [{"devices": 2, "losses, error": 1e-3}]}, "2 devices do not take the step"),
        ({"devices": [{"devices": 2, "gradients, error": float("nan")}]}, "gradients, error nan"),
        (
            {"facts": ON_GPUS, "devices": [{"devices": n, "images/s": 100.0 + n} for n in (1, 2)]},
            "2 GPUs make 1.01 times the images of one",
        ),
        ({"speed": [STEP, STEP | {"precision": "bfloat16", "images/s": 50.0}]}, "bfloat16 makes S slower (0.50 times)"),
        ({"speed": [STEP, STEP | {"XLA": True, "images/s": 50.0}]}, "XLA makes S slower"),
        ({"speed": [STEP, STEP | {"XLA": True, "images/s": 150.0}]}, "XLA makes S 1.50 times as fast"),
        ({"speed": [STEP | {"size": "L", "of convolution": 0.1}]}, "L reaches 0.10"),
        ({"facts": ON_GPUS, "speed": [STEP], "input": [READ]}, "the input binds at S: 2 device(s) take 200 images/s"),
        ({"checkpoint": [{"size": "L", "saving, s": 60.0}]}, "a checkpoint of L takes 60 s"),
        ({"training": [{"kimg": 2, "gp": 3.0, "gp, band": [1.0, 2.0]}]}, "gp after 2 kimg is 3: 1 to 2 is usual"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said(found, said):
    (sentence,) = words.wrong(found)
    assert said in sentence


def test_where_all_is_well_nothing_is_said():
    found = {
        "facts": FACTS,
        "parity": [
            {"precision": "float32", "file": "f", "group": "grad_d", "error": 1e-5, "bound": 2e-5},
            {"precision": "bfloat16", "file": "f", "group": "grad_d", "error": 0.2},
        ],
        # Devices of one CPU are no faster together.
        "devices": [
            {"devices": 1, "images/s": 100.0},
            {"devices": 2, "losses, error": 1e-7},
            {"devices": 2, "images/s": 90.0},
        ],
        "speed": [STEP, STEP | {"precision": "bfloat16", "images/s": 120.0}, STEP | {"remat": True, "images/s": 90.0}],
        "input": [READ],
        "checkpoint": [{"size": "L", "saving, s": 1.0}],
        "training": [{"kimg": 2, "gp": 1.5, "gp, band": [1.0, 2.0]}],
    }
    assert words.wrong(found) == []


def test_the_time_is_shared_by_those_who_are_left():
    parts = [Part("a", "A", 3), Part("b", "B", 1), Part("c", "C", 2)]
    assert running.allowance(parts, 60) == 30 and running.allowance(parts[1:], 60) == 20
    assert running.allowance(parts[2:], 60) == 60 and running.allowance(parts, -1) == 0
    assert running.enough(running.time.monotonic(), 60, 1)
    assert not running.enough(running.time.monotonic() - 40, 60, 1)
    assert running.enough(running.time.monotonic() - 40, 60, 3)
    assert [running.counts(n) for n in (1, 2, 4, 6)] == [[1], [1, 2], [1, 2, 4], [1, 2, 4, 6]]


@pytest.mark.parametrize(
    "code, why",
    [
        ("print('fine')", ""),
        ("print('error: no such thing'); print('more'); raise SystemExit(1)", "no such thing"),
        ("raise ValueError('7 of 8')", "ValueError: 7 of 8"),
        ("import os; os.abort()", "ended by SIGABRT"),
        ("raise SystemExit(3)", "ended with status 3"),
    ],
)
def test_how_a_part_ended_is_one_line(code, why, tmp_path):
    assert running.run([sys.executable, "-c", code], 60, tmp_path / "log.txt") == why


def test_a_part_ends_when_its_time_is_over_and_what_it_found_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "END", 0.1)  # it does not end when it is told to
    rows = tmp_path / "rows.jsonl"
    running.keep({"one": 1}, rows)
    rows.write_text(rows.read_text() + '{"two": ')  # the process ended here
    assert running.kept(rows) == [{"one": 1}] and running.kept(tmp_path / "none.jsonl") == []
    code = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: print('told')); time.sleep(60)"
    assert "give more --minutes" in running.run([sys.executable, "-c", code], 0.5, tmp_path / "log.txt")


def test_the_report(tmp_path):
    rows = [{"side": "S", "images/s": 123.456, "remat": True}, {"side": "M", "band": [1.0, 2.5]}]
    parts = [Outcome("steps", "Steps", rows, ["L: out of memory"], 3.2), Outcome("input", "Reading", [], [], 1.0)]
    report.write(parts, "python x", tmp_path / "new")
    page, found = ((tmp_path / "new" / name).read_text() for name in ("report.md", "report.json"))
    assert "- Steps: L: out of memory\n" in page and "Nothing was measured." in page
    assert "| S | 123.5 | yes |  |" in page and "| M |  |  | 1 to 2.5 |" in page
    assert json.loads(found)["wrong"] == ["Steps: L: out of memory"] and json.loads(found)["parts"][0]["rows"] == rows


def test_the_curve_is_that_of_lag_and_held_to_its_band(tmp_path):
    kimgs = sorted(curve.SEEN)
    fields = {name: value for name, value in curve.FLAGS.items() if name != "export"}
    config = LAGConfig(**fields)
    config.validate()
    assert config.schedule().total == kimgs[-1] * 1024 and "--noexport" in curve.words()
    assert curve.band([10.0, 14.0]) == pytest.approx([8.0, 16.0]) and curve.band([10.0, 10.0]) == [9.0, 11.0]
    assert [curve.devices(6, gpus) for gpus in (True, False)] == ["--gpus=0,1,2,3", "--cpus=4"]
    metrics = tmp_path / "metrics.jsonl"
    assert curve.rows(metrics) == []
    usual = {name: np.mean(seen) for name, seen in curve.SEEN[kimgs[0]].items()}
    for values, wrong in ((usual, 0), ({name: 5 * value for name, value in usual.items()}, len(usual))):
        metrics.write_text(json.dumps({"kimg": kimgs[0], **dict.fromkeys(curve.NAMES, 0.0), **values}) + "\n")
        assert len(words.wrong({"training": curve.rows(metrics)})) == wrong


def test_a_first_step_is_its_losses_and_gradients():
    model, (lores, hires) = make(), batch()
    terms = terms_of(model, (lores, hires), FIRST, 0)
    model.train_step((lores, hires), FIRST, 0)
    found = measures.first_step(model)
    expected = np.concatenate([np.ravel(g) for name in ("generator", "projection") for g in terms.grads[name]])
    assert np.linalg.norm(found["gradients"]) == pytest.approx(0.1 * np.linalg.norm(expected), rel=1e-3)
    assert measures.distance(found["gradients"], found["gradients"]) == 0
    assert measures.distance(np.array([3.0, 5.0]), np.array([3.0, 4.0])) == pytest.approx(0.2)


def test_steps_and_checkpoints_of_a_size(tmp_path, monkeypatch):
    tiny = {name: TINY[name] for name in ("blocks", "filters", "filters_min", "noise_dim")}
    monkeypatch.setattr(measures, "SIZES", {"S": (16, tiny)})
    monkeypatch.setattr(measures.benchmark, "PRODUCT_ON_CPUS", 64)
    monkeypatch.setattr(measures.benchmark, "convolution", measures.benchmark.product)  # a large one takes seconds
    monkeypatch.setattr(measures, "LEAST_SECONDS", 0.01)
    (row,) = measures.speed("S", 0.0)
    assert row["size"] == "S" and row["precision"] == "float32" and row["images/s"] > 0 and row["of product"] > 0
    (row,) = measures.checkpoint("S", tmp_path)
    assert row["MB"] > 0.01 and row["saving, s"] > 0 and row["reading, s"] > 0


def test_the_program(tmp_path):
    done = start("scripts/check_machine.py", "--parts=facts", "--minutes=3", "--cpus=2", f"--output={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert f"wrote {tmp_path}/report.md" in done.stdout and {p.name for p in tmp_path.iterdir()} == FILES
    facts = {row["what"]: row["is"] for row in json.loads((tmp_path / "report.json").read_text())["parts"][0]["rows"]}
    assert facts[words.DEVICES] == 2 and facts["Python"] == sys.version.split()[0]
    assert "no part colour" in mistake("scripts/check_machine.py", "--parts=colour")
    assert "--minutes=0.0 must be positive" in mistake("scripts/check_machine.py", "--minutes=0")


FILES = {"report.md", "report.json"}
