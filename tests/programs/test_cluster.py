"""Two workers as two processes that talk over gRPC on this machine."""

import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from libml.datasets import records
from libml.errors import UserError
from libml.images import encode_png
from libml.system import devices, tf_config
from libml.system.hardware import as_if
from libml.system.local_cluster import tf_configs
from tests.libml.datasets.test_stream_order import damage
from tests.stress import checkpoint_values
from tests.support import warm
from tests.support.images import blobs, write_images
from tests.support.programs import begin, mistake

FLAGS = [
    "--dataset=cifar10",
    "--scale=4",
    "--blocks=1",
    "--filters=8",
    "--filters_min=4",
    "--noise_dim=2",
    "--batch=16",
]
FLAGS += ["--transition_kimg=0", "--save_kimg=1", "--report_kimg=1", "--deterministic"]


def start(data_dir, train_dir: Path, workers: int, *flags) -> list[subprocess.Popen | warm.Program]:
    """Starts the workers, all but the first of several in forks: they must agree whatever Python orders sets by."""
    train_dir.mkdir(parents=True, exist_ok=True)
    started = []
    for index, place_here in enumerate(tf_configs(workers)):
        env = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "PYTHONUNBUFFERED": "1", "TF_CONFIG": place_here}
        words = ["lag.py", *FLAGS, *flags, f"--data_dir={data_dir}", f"--train_dir={train_dir}"]
        log = train_dir / f"log{index}.txt"
        started.append(begin(words, env, log, alone=workers > 1 and not index))
    return started


def place(workers, index=0, **task) -> tuple[int, int]:
    config = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index, **task}}
    return tf_config.place(json.dumps(config))


@pytest.mark.parametrize("host", ["a", "10.0.0.1", "node-1.local", "[::1]", "a_b"])
def test_workers_are_hosts_with_ports(host):
    assert place([f"{host}:1", f"{host}:65535"], 1) == (1, 2)
    assert place([f"{host}:1"], "0") == (0, 1)


@pytest.mark.parametrize(
    "address",
    ["", "x", "x:", ":1", "x:y", "x:0", "x:-1", "x:65536", "x:²", "a b:1", "http://x:1", "x:1:2", "x:1\n", 3, None],
)
def test_a_worker_s_address_that_cannot_be_is_named(address):
    with pytest.raises(UserError, match="host:port") as raised:
        place(["x:1", address])
    assert repr(address) in str(raised.value) or r"x:1\n" in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        *("x", "[]", "3", "null", "{}", '{"cluster": {}}', '{"cluster": {"worker": ["a:1"]}}', "[" * 100_000),
        '{"cluster": ["worker"], "task": {"type": "worker", "index": 0}}',
    ],
)
def test_what_is_no_cluster_is_one_line(text):
    with pytest.raises(UserError, match="TF_CONFIG"):
        tf_config.place(text)


def test_a_place_that_is_none():
    for index in (-1, 2, 10**30, "x", 0.5, True, None, []):
        with pytest.raises(UserError, match="TF_CONFIG"):
            place(["a:1", "b:1"], index)
    with pytest.raises(UserError, match="workers only"):
        place(["a:1"], type="chief")
    with pytest.raises(UserError, match="workers only"):
        place({"0": "a:1"})
    with pytest.raises(UserError, match="twice"):
        place(["a:1", "a:1"])


def test_gpus_of_several_machines_talk_over_nccl():
    for on_gpus, way in ((True, "NCCL"), (False, "RING")):
        with as_if(on_gpus=on_gpus):
            assert devices._communication().implementation.name == way


def test_a_port_that_another_program_has_is_one_line(tmp_path, monkeypatch):
    with socket.create_server(("localhost", 0)) as taken:
        hosts = [f"localhost:{taken.getsockname()[1]}", "localhost:1"]
        config = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": 0}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(config))
        assert "port" in mistake("lag.py", "--scale=4", f"--train_dir={tmp_path}", f"--data_dir={tmp_path}")


def test_a_dry_run_looks_at_the_cluster_before_tensorflow_does(tmp_path, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": {"worker": 3}, "task": {"type": "worker", "index": 0}}))
    assert "TF_CONFIG" in mistake("lag.py", "--scale=4", "--dry_run", f"--train_dir={tmp_path}")


def logs(train_dir: Path) -> list[str]:
    return [p.read_text() for p in sorted(train_dir.glob("log*.txt"))]


def finish(processes, train_dir) -> None:
    for process in processes:
        assert process.wait(240) == 0, logs(train_dir)


def the_run(train_dir: Path) -> Path:
    return next(train_dir.glob("*/*/LAG_*"))


def metrics(train_dir: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (the_run(train_dir) / "metrics.jsonl").read_text().splitlines()]


def write_mixed(folder: Path) -> None:
    """A data set of which every fifth record is passed over for its colours and others cannot be read."""
    write_images(folder / "cifar10-test.tfrecord", blobs(10, seed=1))
    pictures = [encode_png(image[..., : 1 if i % 5 == 0 else 3]) for i, image in enumerate(blobs(50))]
    pictures[7] = b"no image at all"
    records.write(folder / "cifar10-train.tfrecord", [records.example(picture) for picture in pictures])
    damage(folder / "cifar10-train.tfrecord", [11, 12])


def test_one_process_hands_over_to_two_workers_and_back(tmp_path):
    """One process for 3 kimg (192 steps) against a run that is on two workers for the second third of them."""
    write_mixed(data_dir := tmp_path)
    flags = ["--training_kimg=1", "--skip_bad_records"]
    finish(start(data_dir, tmp_path / "one", 1, *flags, "--total_kimg=3"), tmp_path / "one")
    for kimg, workers in ((1, 1), (2, 2), (3, 1)):
        finish(start(data_dir, tmp_path / "two", workers, *flags, f"--total_kimg={kimg}"), tmp_path / "two")
    one, two = metrics(tmp_path / "one"), metrics(tmp_path / "two")
    assert [line["kimg"] for line in one] == [line["kimg"] for line in two] == [1, 2, 3]
    for a, b in zip(one, two, strict=True):
        for name in ("dreal", "dfake", "gp", "gmse", "rmse", "rmse_ema", "skipped_records"):
            assert a[name] == pytest.approx(b[name], rel=1e-2, abs=1e-3), name
    said = (tmp_path / "two" / "log1.txt").read_text().splitlines()
    assert said[0] == "worker 1 of 2: waiting for the others" and "worker 1 of 2: going on with" in said[1]
    assert said[-1] == "worker 1 of 2: done at 2 kimg; worker 0 has saved the run"
    a, b = (checkpoint_values(the_run(tmp_path / name)) for name in ("one", "two"))
    assert a.keys() == b.keys()
    positions = [name for name in a if "data_position" in name or "nimg" in name]
    assert len(positions) >= 2 and all(a[name] == b[name] for name in positions)


def test_a_lost_worker_ends_the_others_and_the_job_starts_again(data_dir, tmp_path):
    processes = start(data_dir, tmp_path, 2, "--training_kimg=64")
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("*/*/LAG_*/tf/ckpt-*")) and time.monotonic() < deadline:
        time.sleep(0.1)
    processes[1].send_signal(signal.SIGKILL)
    assert processes[0].wait(60) == 1, logs(tmp_path)
    said = [line for line in logs(tmp_path)[0].splitlines() if line.startswith("error: ")]
    assert len(said) == 1 and "another worker was lost" in said[0] and "Traceback" not in logs(tmp_path)[0]
    processes = start(data_dir, tmp_path, 2, "--training_kimg=64")
    while not all("going on with" in log for log in logs(tmp_path)) and time.monotonic() < deadline + 120:
        time.sleep(0.1)
    time.sleep(2)
    processes[1].send_signal(signal.SIGTERM)  # one worker is asked to stop: all save and stop together
    assert [p.wait(60) for p in processes] == [128 + signal.SIGTERM] * 2, logs(tmp_path)
