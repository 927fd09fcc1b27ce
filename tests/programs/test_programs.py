"""The programs as a user starts them, in processes of their own."""

import os
import re
import subprocess
import sys

import pytest
from PIL import Image

from tests.support import ROOT
from tests.support.programs import mistake, start

TINY = ["--scale=4", "--batch=64", "--blocks=1", "--filters=8", "--filters_min=4", "--noise_dim=2", "--dataset=cifar10"]


def test_train_then_candidates(data_dir, tmp_path):
    lengths = ["--training_kimg=1", "--transition_kimg=1", "--save_kimg=1", "--report_kimg=1"]
    done = start("lag.py", *TINY, *lengths, f"--data_dir={data_dir}", f"--train_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("noise_dim ") == 1 and "lod 1 -> 2  2.0/3 kimg  gap " in done.stdout
    assert "color_round" not in done.stdout  # it has its default
    (args,) = tmp_path.rglob("args.json")
    assert (args.parent.parent / "export" / "saved_model.pb").exists()
    picture = tmp_path / "candidates.png"
    make = ["scripts/lag_generate_candidates.py", f"--run={args.parent.parent}", f"--data_dir={data_dir}"]
    done = start(*make, "--samples=0,3,5-6", "--ncand=3", f"--output={picture}", "--batch=5", alone=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"wrote {picture}: 4 test images, 3 candidates each\n"
    sheet = Image.open(picture)
    assert sheet.size[0] > 5 * 96 and sheet.size[1] > 4 * 96
    done = start(*make, "--samples=0,3,5-6", "--ncand=3", f"--output={picture}", "--batch=5", "--plain")
    assert done.returncode == 0, done.stderr
    plain = Image.open(picture)
    assert plain.size == (5 * 32, 4 * 32)
    original = plain.crop((0, 0, 32, 32)).resize((96, 96), Image.Resampling.NEAREST).tobytes()
    corners = [(x, y) for x in range(100) for y in range(100)]
    assert any(sheet.crop((x, y, x + 96, y + 96)).tobytes() == original for x, y in corners)
    assert "neither a number nor a rising span" in mistake(*make, "--samples=3-1")
    assert "10 test images" in mistake(*make, "--samples=0-99")
    assert "no run folder" in mistake("scripts/lag_generate_candidates.py", f"--ckpt={tmp_path}/none")


def test_dry_run_describes_and_leaves_nothing(tmp_path):
    small = ["--filters=8", "--filters_min=4", "--blocks=1"]
    done = start("lag.py", "--dataset=celeba128", "--scale=8", *small, "--dry_run", f"--train_dir={tmp_path}/runs")
    assert done.returncode == 0, done.stderr
    assert "average8X/LAG_batch16_blocks1" in done.stdout and "lod 2 -> 3" in done.stdout and "GiB" in done.stdout
    *_, length, time = done.stdout.splitlines()
    assert length == "length of the run: 10240 kimg (10,485,760 images)"
    assert re.match(r"time here: about [\d.]+ (minutes|hours|days) on 1 device", time) and "were timed" in time
    assert not list(tmp_path.iterdir())


def test_memtest_writes_nothing(tmp_path):
    done = start("lag.py", *TINY, "--memtest", f"--train_dir={tmp_path}/runs")
    assert done.returncode == 0, done.stderr
    assert "[lod 2] fits at batch 64" in done.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "args, said",
    [
        (["--dataset=celbea_128"], "did you mean celeba128?;"),
        (["--dataset=celeba128"], "celeba-train.tfrecord"),
        (["--scale=3"], "not a power of two"),
        (["--dataset=cifar10", "--scale=64"], "does not divide"),
        (["--downscaler=lanczos"], "use average, bicubic, antialias"),
        (["--batch=0"], "must be positive"),
        (["celeba128"], "unexpected argument"),
    ],
)
def test_mistakes_are_one_line(args, said, tmp_path):
    assert said in mistake("lag.py", *args, f"--data_dir={tmp_path}", f"--train_dir={tmp_path}")


def test_a_second_signal_stops_at_once():
    script = """
import os, signal, time
from libml.system.interrupts import interrupts
with interrupts() as received:
    os.kill(os.getpid(), signal.SIGTERM)
    assert received == [signal.SIGTERM]
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)
"""
    assert start("-c", script, timeout=30).returncode == 130


def test_a_full_disk_is_one_line_and_leaves_no_half_checkpoint(data_dir, tmp_path):
    flags = [*TINY, "--training_kimg=1", "--save_kimg=1", "--report_kimg=1"]
    command = [sys.executable, "lag.py", *flags, f"--data_dir={data_dir}", f"--train_dir={tmp_path}"]
    limited = ["bash", "-c", 'ulimit -f 40; exec "$@"', "limited", *command]  # no file of more than 40 KiB
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(limited, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "ckpt-0000001024" in lines[0] and "File too large" in lines[0], done.stderr
    assert not list(tmp_path.rglob("*ckpt-*"))


def test_batch_must_be_shared_evenly():
    from libml.errors import UserError
    from libml.system.devices import check_batch

    check_batch(16, 4)
    with pytest.raises(UserError, match="multiple of 3"):
        check_batch(16, 3)
