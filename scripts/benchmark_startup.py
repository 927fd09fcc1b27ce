"""Measures how long the programs take to start: whole processes, and where their time goes.

python scripts/benchmark_startup.py --repeats=5

Training counts up to the end of the first step, everything else to the end of the process. What the programs need is
made in a temporary folder, and each is started once more beforehand. The probe's own cost is in the figures: some
hundredths of a second.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
if __name__ == "__main__":  # before imports that take time, or may be missing
    from libml.system import entry

    entry.begin()

import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from absl import flags

from libml import app
from libml.errors import UserError
from libml.system import outputs

ROOT = Path(__file__).resolve().parent.parent
FLAGS = flags.FLAGS
SIZE_S = ("--scale=8", "--filters=64", "--filters_min=16", "--blocks=2", "--noise_dim=16", "--dataset=toyfaces32")
EDSR_S = ("--scale=8", "--filters=64", "--repeat=4", "--dataset=toyfaces32")
COMMANDS = {  # name: program and flags; {folder} is the temporary one
    "help": ("lag.py", "--help"),
    "mistaken flag": ("lag.py", "--scale=x"),
    "mistaken dataset": ("lag.py", "--dataset=nothing32", "--data_dir={folder}"),
    "dry_run": ("lag.py", *SIZE_S, "--dry_run", "--data_dir={folder}"),
    "dry_run at defaults": ("lag.py", "--scale=8", "--dataset=toyfaces128", "--dry_run", "--data_dir={folder}"),
    "train": ("lag.py", *SIZE_S, "--data_dir={folder}", "--train_dir={folder}/new", "--reset"),
    "edsr help": ("edsr.py", "--help"),
    "edsr train": ("edsr.py", *EDSR_S, "--data_dir={folder}", "--train_dir={folder}/new", "--reset"),
    "upscale by export": (
        *("scripts/upscale.py", "--model={folder}/export", "--input={folder}/small.png"),
        *("--output={folder}/large_export", "--overwrite"),
    ),
    "upscale by run": (
        *("scripts/upscale.py", "--model={folder}/run", "--input={folder}/small.png"),
        *("--output={folder}/large_run", "--overwrite"),
    ),
}
flags.DEFINE_list("only", [], f"Which commands to measure, of: {', '.join(COMMANDS)}. By default all.")
flags.DEFINE_integer("repeats", 5, "Starts of each; the median is the figure, the least and most stand beside it.")
flags.DEFINE_string("output", "", "JSON file to write the figures to as well.")
flags.DEFINE_alias("json", "output")


def prepare(folder: Path) -> None:
    """Trains a short run of size S to the end of its schedule, with its export, and makes a small picture."""
    import numpy as np

    from libml.images import save_png
    from libml.training.run_folder import RunFolder

    lengths = ("--training_kimg=1", "--transition_kimg=1", "--save_kimg=1")
    command = ("lag.py", *SIZE_S, *lengths, f"--data_dir={folder}", f"--train_dir={folder}/trained")
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        sys.stderr.write(done.stderr)
        raise UserError("cannot train the run to measure with: see above")
    (run,) = folder.glob("trained/*/*/*")
    (folder / "run").symlink_to(run)
    (folder / "export").symlink_to(RunFolder(run).export)
    save_png(folder / "small.png", np.random.default_rng(0).uniform(-1, 1, [16, 16, 3]))


def start(folder: Path, command: tuple[str, ...]) -> dict[str, Any]:
    """Starts a program once: seconds to its first step, or else to its end, and by part."""
    report = folder / "report.json"
    words = [word.format(folder=folder) for word in command]
    begun = time.monotonic()
    probe = [sys.executable, ROOT / "scripts/startup_probe.py", report, repr(begun)]
    done = subprocess.run([*probe, *words], cwd=ROOT, capture_output=True, text=True)
    took = time.monotonic() - begun
    found = json.loads(report.read_text())
    if "Traceback" in done.stderr:
        sys.stderr.write(done.stderr)
        raise UserError(f"{' '.join(words)} failed: see above")
    if found["first_step"] is None:
        found["parts"]["exit"] = took - sum(found["parts"].values())
    return {"seconds": found["first_step"] or took, "parts": found["parts"]}


def measure(folder: Path, name: str) -> dict[str, Any]:
    """Median, least and most of a command's repeated starts, and the median of each part; one more start goes first."""
    starts = [start(folder, COMMANDS[name]) for _ in range(FLAGS.repeats + 1)][1:]
    seconds = [s["seconds"] for s in starts]
    parts = {part: statistics.median(s["parts"].get(part, 0.0) for s in starts) for part in starts[0]["parts"]}
    summary = {"median": statistics.median(seconds), "least": min(seconds), "most": max(seconds)}
    return {"name": name, **summary, "parts": parts}


def main() -> None:
    """Measures and prints a table."""
    if unknown := set(FLAGS.only) - set(COMMANDS):
        raise UserError(f"--only={min(unknown)}: choose among {', '.join(COMMANDS)}")
    if FLAGS.repeats < 1:
        raise UserError(f"--repeats={FLAGS.repeats} must be at least 1")
    if FLAGS.output:
        outputs.check_file("output", FLAGS.output, ".json")
    records = []
    with tempfile.TemporaryDirectory() as folder:
        names = FLAGS.only or list(COMMANDS)
        if any(name.startswith("upscale by") for name in names):
            prepare(Path(folder))
        print(f"{'seconds':<22}{'median':>8}{'least':>8}{'most':>8}  parts from 0.02 s")
        for name in names:
            r = measure(Path(folder), name)
            records.append(r)
            parts = sorted(r["parts"].items(), key=lambda part: -part[1])
            spent = ", ".join(f"{part} {seconds:.2f}" for part, seconds in parts if seconds >= 0.02)
            print(f"{name:<22}{r['median']:>8.2f}{r['least']:>8.2f}{r['most']:>8.2f}  {spent}", flush=True)
    if FLAGS.output:
        from libml.system.files import write_atomic

        write_atomic(FLAGS.output, (json.dumps(records, indent=2) + "\n").encode())
        print(f"wrote {FLAGS.output}: the figures")


if __name__ == "__main__":
    app.run(main)
