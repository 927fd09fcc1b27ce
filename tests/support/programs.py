"""Programs started as a user starts them."""

import os
import subprocess
import sys

from tests.support import ROOT


def start(*args, cwd=ROOT, **options):
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    return subprocess.run(
        [sys.executable, *map(str, args)], cwd=cwd, env=env, capture_output=True, text=True, **options
    )


def mistake(*args) -> str:
    """The one line that a user's mistake prints."""
    done = start(*args)
    assert done.returncode == 1, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "Traceback" not in done.stderr, done.stderr
    return lines[0]
