"""The benchmark of the input pipeline, as a user starts it."""

import os
import subprocess
import sys

from tests.support import ROOT


def test_prints_the_three_figures(data_dir):
    program = [sys.executable, str(ROOT / "scripts" / "benchmark_dataset.py"), "--dataset=cifar10", "--batch=4"]
    options = {"env": {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}, "capture_output": True, "text": True}
    done = subprocess.run([*program, "--samples=40", f"--data_dir={data_dir}"], **options)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()[2:]]
    assert [line[0] for line in lines] == ["pipeline", "records", "decoding"]
    assert all(0 < float(least) <= float(median) <= float(most) for _, median, least, most in lines)
    done = subprocess.run([*program, "--samples=0"], **options)
    assert done.returncode == 1 and "error: --samples=0" in done.stderr
