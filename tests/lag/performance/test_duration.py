"""The estimate of a run's time."""

import pytest

from lag.config import LAGConfig
from lag.model import costs
from lag.performance import duration
from libml.system.devices import make_devices


@pytest.mark.parametrize(
    "seconds, words",
    [
        (0.2, "1 seconds"),
        (119, "119 seconds"),
        (120, "2 minutes"),
        (9000, "2.5 hours"),
        (86400, "24 hours"),
        (172800 * 1.1, "2.2 days"),
        (86400 * 400, "400 days"),
    ],
)
def test_a_time_in_words(seconds, words):
    assert duration.in_words(seconds) == words


def test_an_image_of_a_later_phase_counts_as_its_arithmetic_does():
    config = LAGConfig(scale=4, training_kimg=2, transition_kimg=1)
    small, large = (costs.step_operations(config, 3, 32, lod) for lod in (1, 2))
    assert duration.relative_length(config, 3, 32) == pytest.approx(1024 * (2 + 3 * large / small))


def test_a_step_on_a_cpu_is_as_large_as_is_timed_quickly():
    assert duration.timed_batch(16, 10**9, 1) == 16
    assert duration.timed_batch(64, 10**10, 4) == 8
    assert duration.timed_batch(16, 10**12, 2) == 2


def test_twice_the_length_takes_twice_as_long(monkeypatch):
    monkeypatch.setattr(duration, "_step_seconds", lambda config, *_: 0.5 * config.batch)
    devices = make_devices(8)
    one, two = (
        duration.estimate_seconds(
            LAGConfig(dataset="cifar10", scale=2, batch=8, filters=4, filters_min=4, training_kimg=k), 3, 32, devices
        )
        for k in (1, 2)
    )
    assert one == 512 and two == 1024
