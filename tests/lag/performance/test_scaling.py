"""The model of many GPUs against what follows from its assumptions by hand, and the table that prints it."""

import dataclasses

import pytest

from lag.performance.scaling import Hardware, least_batch, ring_seconds, step
from tests.support.programs import mistake, start

# 100 images/s and 10 ms a step; hosts of two GPUs; links of 1 GB/s inside and 0.1 GB/s between; free messages.
GPUS = Hardware(images=100, per_step=0.01, per_host=2, inside=1e9, between=1e8, latency=0, decoded=1e6, dealt=1e6)


def test_a_ring():
    assert ring_seconds(1e6, 1, 1e6, 1) == 0
    # Of two, each sends the other half of its array, and then half of the sum.
    assert ring_seconds(1e6, 2, 1e6, 0.25) == pytest.approx(1 + 2 * 0.25)
    assert ring_seconds(1e6, 4, 1e6, 0) == pytest.approx(6 / 4)
    assert ring_seconds(1e6, 4, 1e6, 0.25, messages=3) == pytest.approx(6 / 4 + 6 * 3 * 0.25)
    assert ring_seconds(1e6, 10**6, 1e6, 0) == pytest.approx(2, rel=1e-5)  # however many there are


def test_steps_of_one_host_and_of_several():
    one = step(GPUS, 1, 4, 1e7)
    assert (one.images, one.computing, one.sending) == (4, pytest.approx(0.05), 0)
    assert one.rate == pytest.approx(80) and one.lost_to_sending == one.lost_to_reading == 0
    two = step(GPUS, 2, 4, 1e7)
    assert two.sending == pytest.approx(1e7 / 1e9) and two.rate == pytest.approx(8 / 0.06)
    four = step(GPUS, 4, 4, 1e7)
    assert four.sending == pytest.approx(1.5 * 1e7 / 1e8)
    waits = dataclasses.replace(GPUS, latency=0.5)
    assert (step(waits, 2, 4, 0).sending, step(waits, 4, 4, 0).sending) == (2 * 0.5, 6 * 2 * 0.5)
    assert four.lost_to_sending == pytest.approx(0.15 / 0.2) and four.rate == pytest.approx(16 / 0.2)


def test_images_may_be_what_is_waited_for():
    slow = dataclasses.replace(GPUS, decoded=40)
    assert step(slow, 2, 4, 0).rate == pytest.approx(40)  # of the one host
    assert step(slow, 2, 4, 0).lost_to_reading == pytest.approx(1 - 0.05 / 0.2)
    assert step(slow, 8, 4, 0).rate == pytest.approx(160)  # of four hosts
    # Every host looks at the records of all, so more hosts do not help; one host alone looks at none.
    dealing = dataclasses.replace(GPUS, dealt=100)
    assert step(dealing, 4, 4, 0).rate == step(dealing, 64, 4, 0).rate == pytest.approx(100)
    assert step(dealing, 2, 4, 0).rate == pytest.approx(160)


def test_from_how_many_images_on_computing_is_most():
    batch = least_batch(GPUS, 4, 1e7, 0.9)
    assert step(GPUS, 4, batch, 1e7).lost_to_sending == pytest.approx(0.1)
    assert least_batch(GPUS, 1, 1e7, 0.9) == 0


def test_the_table(tmp_path):
    words = ("scripts/benchmark_workers.py", "--model", "--sizes=S", "--gpus=1,8", "--launch_ms=0")
    done = start(*words, "--images_per_second=400", "--per_gpu=16", "--fixed=8")
    assert done.returncode == 0, done.stderr
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()[2:]]
    assert [row[:4] for row in rows] == [
        *(["S", "1.57", gpus, batch] for gpus, batch in (("1", "16"), ("1", "8"), ("8", "16"), ("8", "1")))
    ]
    assert rows[0][4:8] == ["400", "1", "0%", "0%"]
    assert float(rows[3][5]) < float(rows[2][5]) < 8
    for flag in ("--sizes=XL", "--gpus=0", "--images_per_second=1,2"):
        assert flag.partition("=")[0] in mistake(*words, flag)
    assert "evenly" in mistake("scripts/benchmark_workers.py", "--workers=3")
