"""What the programs import, and so how long they take to start: seen from outside, in processes of their own."""

import gc
import json
import os
import platform
import subprocess
import sys
import time

import pytest

from libml import app
from tests.support import ROOT
from tests.support.programs import mistake

TINY = ("--scale=4", "--batch=8", "--blocks=1", "--filters=8", "--filters_min=4", "--noise_dim=2", "--dataset=cifar10")
PROGRAMS = sorted(path.name for path in (ROOT / "scripts").glob("*.py") if path.name != "startup_probe.py")
FIGURES = ("figures.py", "lag_generate_candidates.py")
SLOW = {"tensorflow", "keras", "numpy", "scipy", "PIL", "tensorflow_datasets", "tensorboard", "tqdm"}
# What is there for other programs, and not brought along by TensorFlow.
OTHERS = {"tensorflow_datasets", "tensorboard.program", "werkzeug", "grpc", "markdown", "lmdb", "scipy.ndimage"}
OTHERS |= {
    "libml.datasets.records",
    "libml.compared.vgg",
    "libml.metrics.fid",
    "libml.metrics.swd",
    "libml.compared.method",
    "lag.evaluation.evaluate",
}


def start(*words) -> tuple[subprocess.CompletedProcess, set[str]]:
    """Starts a program; what it did, and every module that it imported."""
    command = [sys.executable, "-X", "importtime", *map(str, words)]
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    times = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return done, {line.rpartition("|")[2].strip() for line in times}


@pytest.mark.parametrize(
    "words, said",
    [
        (["lag.py", "--help"], "--noise_dim"),
        (["lag.py", "--scale=x"], "--scale"),
        (["lag.py", "--scale=3"], "power of two"),
        (["lag.py", "--dataset=cellar10"], "did you mean cifar10"),
        (["lag.py", "--dataset=cifar10", "--scale=64"], "does not divide"),
        (["lag.py", "--dataset=cifar10", "--gpus=one"], "--gpus=one"),
        (["scripts/upscale.py", "--model=m", "--input=nowhere", "--output=o"], "--input=nowhere"),
        (["scripts/upscale.py", "--model=m", "--input=.", "--output=o", "--noise=inf"], "--noise=inf must be"),
        (["scripts/upscale.py", "--model=m", "nowhere", "o"], "--input=nowhere does not exist"),
        (["scripts/upscale.py", "--output=o"], "--input is missing; write upscale.py INPUT OUTPUT"),
        (["scripts/upscale.py", "", "--output="], "--input is missing; --output is missing; write upscale.py"),
        (["scripts/upscale.py", "a", "b", "c"], "unexpected argument 'c'"),
        *((["scripts/" + name, "--run=nowhere"], "nowhere is no run folder") for name in FIGURES),
        (["scripts/export.py", "--run=nowhere", "--output=o"], "nowhere is no run folder"),
        (["scripts/export.py", "--run=nowhere", "--output=/proc/o"], "--output: cannot write into /proc: "),
        (["scripts/benchmark_step.py", "--seconds=nan"], "--seconds must be"),
        (["scripts/create_datasets.py"], "nothing to make"),
        (["scripts/figures.py", "--run=r", "--columns=999999999999"], "--columns=999999999999 must be from 1 to"),
        (["scripts/lag_generate_candidates.py", "--run=r", "--ncand=0"], "--ncand=0 must be from 1 to"),
        (["scripts/lag_generate_candidates.py", "--run=r", "--cell=0"], "--cell=0 must be from 1 to"),
        *((["scripts/" + name, "--help"], "--") for name in PROGRAMS),
    ],
    ids=str,
)
def test_help_and_mistakes_wait_for_no_library(words, said):
    done, imported = start(*words)
    assert said in done.stdout + done.stderr and done.returncode == ("--help" not in words)
    assert "libml.app" in imported and not imported & SLOW


@pytest.mark.parametrize(
    "words, said",
    [
        (["lag", "lag"], "--output is the folder of --input"),
        (["README.md", "o", "--shard=1/4"], "and --input=README.md is a file"),
        (["lag", "o", "--shard=0/4"], "--shard=0/4 is shard 0/4: shards count from 1: 1/4 to 4/4"),
    ],
)
def test_upscaling_s_mistakes_in_paths_wait_for_no_tensorflow(words, said):
    done, imported = start("scripts/upscale.py", *words)
    assert done.returncode == 1 and not done.stdout and said in done.stderr
    assert not imported & {"tensorflow", "keras"}


@pytest.mark.parametrize(
    "words, said",
    [
        (["celbea"], "celbea is no standard dataset; did you mean celeba?"),
        (["cifar10", "--data_dir=README.md"], "README.md is in the way"),
        (["toyfaces32", "--data_dir=README.md"], "README.md is in the way"),
        (["cifar10", "--from=nowhere"], "--from=nowhere: there is no such file or folder"),
        (["--check=pets", "--data_dir=lag"], "lag/pets.json is no manifest; datasets in lag: none"),
        (["--check="], "--check= is empty: name the dataset"),
        (["--input=nowhere", "--name=pets"], "--input=nowhere: there is no such folder"),
        (["--input=lag", "--name=celeba"], "--name=celeba is a built-in dataset's name"),
    ],
)
def test_mistakes_of_who_makes_datasets_wait_for_no_tensorflow(words, said):
    done, imported = start("scripts/create_datasets.py", *words)
    assert done.returncode == 1 and not done.stdout and said in done.stderr
    assert not imported & {"tensorflow", "keras"}


@pytest.mark.parametrize("words, said", [("", "STARTED"), ("r x p", "STARTED"), ("r 1 nowhere.py", "nowhere")])
def test_the_probe_needs_three_words(words, said):
    assert said in mistake("scripts/startup_probe.py", *words.split())


def test_training_imports_what_it_needs_and_the_probe_sees_its_parts(data_dir, tmp_path):
    report, started = tmp_path / "report.json", time.monotonic()
    folders = f"--data_dir={data_dir}", f"--train_dir={tmp_path}"
    done, imported = start("scripts/startup_probe.py", report, started, "lag.py", *TINY, *folders)
    took = time.monotonic() - started
    assert done.returncode == 0 and "starting" in done.stdout, done.stderr
    assert {"tensorflow", "lag.model.training", "libml.datasets.stream"} <= imported and not imported & OTHERS
    found = json.loads(report.read_text())
    parts = found["parts"]
    needed = {"python", "tensorflow", "devices", "data check", "test images", "networks", "input pipeline", "tracing"}
    assert needed <= {part for part, seconds in parts.items() if seconds > 0}
    assert parts["tensorflow"] < found["first_step"] < sum(parts.values()) < took
    assert parts["step"] < parts["tracing"]


def test_upscaling_imports_what_it_needs(tmp_path):
    done, imported = start("scripts/upscale.py", f"--model={tmp_path}", f"--input={ROOT}", f"--output={tmp_path}/large")
    assert done.returncode == 1 and "neither a run folder" in done.stderr
    assert "lag.upscaling.one_picture" in imported and not imported & OTHERS


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="TensorFlow has oneDNN on x86-64 only")
@pytest.mark.parametrize("wanted, on", [(None, True), ("0", False)])
@pytest.mark.parametrize("program", [("lag.py", "--dry_run", *TINY), ("edsr.py", "--help")], ids=str)
def test_onednn_is_used_whatever_the_cpu_but_for_who_says_otherwise(program, wanted, on):
    env = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    env |= {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "0"}
    env |= {"TF_ENABLE_ONEDNN_OPTS": wanted} if wanted else {}
    done = subprocess.run([sys.executable, *program], cwd=ROOT, env=env, capture_output=True, text=True)
    assert ("oneDNN custom operations are on" in done.stderr) is on


def test_the_collector_rests_only_while_libraries_are_imported():
    try:
        with app.importing():
            assert not gc.isenabled()
            kept = [[] for _ in range(100)]
        assert gc.isenabled() and gc.get_freeze_count() > len(kept)
        with pytest.raises(ImportError), app.importing():
            import libml.nothing  # noqa: F401
        assert gc.isenabled()
    finally:
        gc.unfreeze()
