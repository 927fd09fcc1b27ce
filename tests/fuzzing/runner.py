"""Runs trials, each in a child of one warm process."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from libml.system.environment import DEFAULTS
from tests.fuzzing.trial import ROOT, Outcome, Trial

MODULES = (  # all that the programs import: TensorFlow first of all, which takes the longest
    *(
        "lag.program",
        "lag.upscaling.folder",
        "lag.upscaling.choosing",
        "lag.evaluation.evaluate",
        "lag.evaluation.report",
        "lag.figures.paper",
        "lag.formats.tf1",
    ),
    *("libml.datasets.making.folder", "libml.datasets.making.check", "edsr", "srgan", "srgan2", "cgan"),
    *("libml.datasets.making.standard", "libml.datasets.originals.celeba", "pyarrow.parquet", "scipy.io", "lmdb"),
)
SECONDS, FRESH_SECONDS = 20.0, 60.0  # that a program may take in a child, or in a process of its own
MEMORY = 12 << 30  # bytes of address space: what asks for more shall say so instead of filling the machine's
NOWHERE = "http://127.0.0.1:9"  # downloads fail at once


class Runner:
    """The warm process; another takes its place when it dies."""

    def __init__(self, modules: tuple[str, ...] = MODULES, patience: float = 1.0):
        """Args: what to import beforehand; by how much to stretch the limits of time, for a busy machine."""
        self._modules, self._patience, self._process = modules, patience, None
        self._scratch = tempfile.TemporaryDirectory(prefix="fuzz-")
        self.folder = Path(self._scratch.name)
        (self.folder / "home").mkdir()

    def __enter__(self) -> "Runner":
        return self

    def __exit__(self, *_) -> None:
        self._stop()
        self._scratch.cleanup()

    def run(self, trial: Trial, sandbox: Path, fresh: bool = False) -> Outcome:
        """Runs a trial.

        Args:
            trial: what to run.
            sandbox: the folder it runs in.
            fresh: in a process that imports everything by itself.
        """
        out, err = self.folder / "out", self.folder / "err"
        out.write_bytes(b"")
        err.write_bytes(b"")
        limits = {"seconds": self._patience * (FRESH_SECONDS if fresh else SECONDS), "memory": MEMORY}
        streams = {"out": str(out), "err": str(err)}
        task = {"program": trial.program, "args": trial.args, "cwd": str(sandbox), "env": self._environment(trial)}
        answer = self._ask({**task, **limits, **streams, "stop_after": trial.stop_after, "fresh": fresh})
        said = (f.read_bytes().decode(errors="backslashreplace") for f in (out, err))
        return Outcome(answer["status"], answer["hung"], answer["stopped"], answer["seconds"], *said)

    def _environment(self, trial: Trial) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL", "VIRTUAL_ENV")}
        ours = {"HOME": str(self.folder / "home"), "TMPDIR": str(self.folder), "CUDA_VISIBLE_DEVICES": "-1"}
        return {**kept, **DEFAULTS, **ours, "https_proxy": NOWHERE, "http_proxy": NOWHERE, **trial.env}

    def _ask(self, task: dict) -> dict:
        if self._process is None or self._process.poll() is not None:
            self._start()
        self._process.stdin.write(json.dumps(task).encode() + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"the warm process died: {(self.folder / 'log').read_text()[-2000:]}")
        return json.loads(answer)

    def _start(self) -> None:
        environment = {**os.environ, **DEFAULTS, "CUDA_VISIBLE_DEVICES": "-1"}
        command = [sys.executable, "-m", "tests.fuzzing.zygote", *self._modules]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )

    def _stop(self) -> None:
        if self._process is not None:
            self._process.stdin.close()
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
