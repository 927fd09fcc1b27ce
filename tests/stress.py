"""Kills a run again and again and compares what it ends as with a run that nothing happened to.

    python -m tests.stress --kills=25 [--store]

SIGKILL and SIGTERM at random moments, and SIGKILL in the middle of saving; five phases at 8x. Weights, moving average,
optimizer slots, meters and clock must be equal bit for bit, and so must every value in TensorBoard but the timings.
With --store the killed run and its data lie on an object store that renames and appends nothing and lists late.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from libml.training import checkpoint, summary
from libml.training.run_folder import RunFolder
from tests.support.images import blobs, write_images
from tests.support.late_store import SHORT, LateStore
from tests.support.programs import begin

TIMING = {"images_per_second", "data_wait"}
FLAGS = ["--dataset=cifar10", "--blocks=1", "--filters=8", "--filters_min=4", "--noise_dim=2"]
FLAGS += ["--batch=32", "--save_kimg=1", "--report_kimg=1", "--deterministic"]


def scalars(run: Path) -> list[tuple[int, str, float]]:
    """(kimg, tag, value) of every scalar in a run's TensorBoard files, timings aside."""
    found = []
    for path in sorted(RunFolder(run).event_files()):
        for event in summary.events(path):
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "scalars" and value.tag not in TIMING:
                    found.append((event.step, value.tag, float(tf.make_ndarray(value.tensor))))
    return sorted(found)


def checkpoint_values(run: Path) -> dict[str, np.ndarray]:
    """Everything in a run's newest checkpoint."""
    reader = tf.train.load_checkpoint(str(checkpoint.of_run(run)[1] / "model"))
    names = [n for n in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in n]
    return {name: reader.get_tensor(name) for name in names}


def differences(a: Path, b: Path) -> list[str]:
    """What differs between two finished runs."""
    found = []
    x, y = checkpoint_values(a), checkpoint_values(b)
    if x.keys() != y.keys():
        found.append("names in the checkpoint")
    found += [name for name in x if name in y and not np.array_equal(x[name], y[name])]
    if scalars(a) != scalars(b) or not scalars(a):
        found.append("TensorBoard")
    lines = [[line.split('"images_per_second"')[0] for line in (run / "metrics.jsonl").open()] for run in (a, b)]
    if lines[0] != lines[1]:
        found.append("metrics.jsonl")
    return found


class Session:
    """One process of a run."""

    def __init__(self, data_dir: Path | str, train_dir: Path, lengths: list[str], alone: bool = True, store: str = ""):
        """With a `store`, the folder of a LateStore, train_dir is late://killed: its objects are files below it."""
        where = "late://killed" if store else train_dir
        words = ["lag.py", *FLAGS, *lengths, f"--data_dir={data_dir}", f"--train_dir={where}"]
        words = ["-m", "tests.support.late_store", store, *words] if store else words
        env = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "PYTHONUNBUFFERED": "1"}
        train_dir.mkdir(parents=True, exist_ok=True)
        self.train_dir, self.log = train_dir, (Path(store) if store else train_dir) / "log.txt"
        self.began = time.time()
        self.process = begin(words, env, self.log, alone)

    def said(self) -> str:
        """All output so far."""
        return self.log.read_text()

    def wait_for(self, ready, pause: float, timeout: float = 120.0) -> bool:
        """Whether ready() came true while the process lived."""
        end = time.monotonic() + timeout
        while self.process.poll() is None and time.monotonic() < end:
            if ready():
                return True
            time.sleep(pause)
        return False

    def training(self) -> bool:
        """Whether the process has come to its first step or is about to."""
        return " at " in self.said() and " kimg" in self.said()

    def saving(self) -> bool:
        """Whether the process is writing a checkpoint."""
        rosters = [json.loads(file.read_text()) for file in self.train_dir.glob("*/*/*/tf/.roster.json")]
        new = [f.parent for f in self.train_dir.glob("*/*/*/tf/ckpt-*/*") if f.stat().st_mtime > self.began]
        return any(path.name not in names for names in rosters for path in new) or any(
            self.train_dir.glob("*/*/*/tf/.ckpt-*.tmp*")
        )

    def kill(self, number: int) -> bool:
        """Sends a signal and waits; whether the process was still alive."""
        alive = self.process.poll() is None
        if alive:
            self.process.send_signal(number)
        self.process.wait(120)
        return alive


def stress(
    folder: Path,
    kills: int,
    kimg: int,
    seed: int = 0,
    longest: float = 6.0,
    scale: int = 8,
    alone: bool = True,
    on_store: bool = False,
) -> list[str]:
    """Runs straight, then with kills, each phase `kimg` long, the latter alone or in forks; the differences."""
    rng = random.Random(seed)
    data, lengths = folder / "data", [f"--scale={scale}", f"--training_kimg={kimg}", f"--transition_kimg={kimg}"]
    write_images(data / "cifar10-train.tfrecord", blobs(200))
    write_images(data / "cifar10-test.tfrecord", blobs(8, seed=1))
    straight = Session(data, folder / "straight", lengths)
    assert straight.process.wait() == 0, straight.said()
    done, place = 0, (data, folder / "killed", lengths, alone)
    if on_store:
        store = LateStore(folder / "store")
        for file in data.iterdir():
            store.upload(file, f"late://data/{file.name}")
        place = ("late://data", folder / "store" / "objects" / "killed", lengths, alone, str(folder / "store"))
        os.environ["TMPDIR"] = str(folder)
    while True:
        session = Session(*place)
        if done == kills:
            assert session.process.wait() == 0, session.said()
            break
        kind = (
            rng.choice(["while saving", "SIGKILL", "SIGTERM"])
            if kills > 3
            else ["while saving", "SIGTERM", "SIGKILL"][done]
        )
        if session.wait_for(session.training, pause=0.02):
            if kind == "while saving":
                session.wait_for(session.saving, pause=0.0005)
                time.sleep(rng.uniform(0, 0.02))
            else:
                time.sleep(rng.uniform(0, longest))
        alive = session.kill(signal.SIGTERM if kind == "SIGTERM" else signal.SIGKILL)
        if not alive:  # it had finished before the kill
            assert session.process.returncode == 0, session.said()
            print(f"finished after {done} kills")
            break
        expected = {128 + signal.SIGTERM, -signal.SIGTERM} if kind == "SIGTERM" else {-signal.SIGKILL}
        assert session.process.returncode in expected, session.said()
        done += 1
        if on_store and kind != "SIGTERM":
            time.sleep(SHORT.length)  # until its lease has ended
        at = [nimg for nimg, _ in checkpoint.list_checkpoints(next(place[1].glob("*/*/*"), folder) / "tf")]
        print(f"kill {done}: {kind}; newest checkpoint {at[-1] / 1024 if at else None} kimg", flush=True)
    runs = [next(where.glob("*/*/*")) for where in (folder / "straight", place[1])]
    return differences(*runs)


def main() -> int:
    """Runs the stress test; 0 if nothing differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=25)
    parser.add_argument("--kimg", type=int, default=8, help="length of each of the five phases")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=int, default=8)
    parser.add_argument("--store", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = stress(Path(folder), args.kills, args.kimg, args.seed, scale=args.scale, on_store=args.store)
    print("\n".join(f"differs: {name}" for name in found) or "bit for bit the same")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
