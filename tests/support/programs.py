"""Programs started as a user starts them."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support import ROOT, warm


def start(*args, cwd=ROOT, alone=False, timeout=None) -> subprocess.CompletedProcess:
    """Runs a program to its end.

    Args:
        args: its file and its flags; or words for Python, which then are a process that imports everything by itself.
        cwd: where it runs.
        alone: whether it imports everything by itself, too.
        timeout: in seconds.
    """
    words, env = [str(word) for word in args], {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    if alone or not words[0].endswith(".py"):
        options = {"cwd": cwd, "env": env, "timeout": timeout, "text": True, "errors": "backslashreplace"}
        return subprocess.run([sys.executable, *words], capture_output=True, **options)
    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        out.touch()
        err.touch()
        status = warm.Program(words, cwd, env, out, err).wait(timeout)
        said = (file.read_bytes().decode(errors="backslashreplace") for file in (out, err))
        return subprocess.CompletedProcess(words, status, *said)


def begin(words: list[str], env: dict[str, str], log: Path, alone: bool) -> subprocess.Popen | warm.Program:
    """Starts a program that writes to a file, and does not wait for it. Args: as start's."""
    log.write_bytes(b"")
    if not alone:
        return warm.Program(words, ROOT, env, log, log)
    with log.open("ab") as file:
        return subprocess.Popen([sys.executable, *words], cwd=ROOT, env=env, stdout=file, stderr=subprocess.STDOUT)


def mistake(*args, **options) -> str:
    """The one line that a user's mistake prints. Args: as start's."""
    done = start(*args, **options)
    assert done.returncode == 1, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "Traceback" not in done.stderr, done.stderr
    return lines[0]
