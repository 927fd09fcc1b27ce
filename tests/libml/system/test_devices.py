"""The devices that a program trains on."""

import pytest

from libml.errors import UserError
from libml.system import devices, hardware
from libml.system.hardware import as_if
from tests.support.programs import mistake, start

TINY = ("--dataset=cifar10", "--scale=4", "--batch=64", "--filters=4", "--repeat=1", "--total_kimg=1")


def test_two_devices_of_a_cpu_train_together(data_dir, tmp_path):
    done = start("edsr.py", *TINY, "--cpus=2", f"--data_dir={data_dir}", f"--train_dir={tmp_path}")
    assert done.returncode == 0, done.stderr
    assert "40 training images; 2 device(s)" in done.stdout


@pytest.mark.parametrize("cpus", ["0", "-1", "65"])
def test_how_many_devices_there_can_be(cpus, data_dir, tmp_path):
    where = (f"--data_dir={data_dir}", f"--train_dir={tmp_path}")
    assert f"--cpus={cpus} must be from 1 to 64" in mistake("lag.py", "--dataset=cifar10", f"--cpus={cpus}", *where)


def test_several_devices_of_a_cpu_are_of_one_machine_without_gpus():
    with pytest.raises(UserError, match="is for one machine"):
        devices._divide_cpu(2, workers=2)
    with as_if(on_gpus=True), pytest.raises(UserError, match="is for machines without GPUs"):
        devices._divide_cpu(2, workers=1)


def test_a_gpu_that_is_not_there_is_named():
    with pytest.raises(UserError, match="there is no GPU 0; this machine shows none"):
        hardware.choose_gpus([0])
