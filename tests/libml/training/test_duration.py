"""The estimate of a run's time."""

from types import SimpleNamespace

import pytest

from lag.config import LAGConfig
from libml.datasets.catalogue import lookup
from libml.training import duration


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
    phases = LAGConfig(scale=4, training_kimg=2, transition_kimg=1).schedule().phases
    operations = {1: 5e6, 2: 2e7}  # by the last level of detail
    assert duration.relative_length(phases, lambda phase: operations[phase.lod_stop]) == 1024 * (2 + 3 * 4)


def test_a_step_on_a_cpu_is_as_large_as_is_timed_quickly():
    assert duration.timed_batch(16, 10**9, 1) == 16
    assert duration.timed_batch(64, 10**10, 4) == 8
    assert duration.timed_batch(16, 10**12, 2) == 2


def test_a_timed_step_takes_as_many_images_in_parts_as_the_run(monkeypatch):
    timed = []
    monkeypatch.setattr(duration, "_step_seconds", lambda method, config, dataset, batch: timed.append(batch) or 1.0)
    for every in (1, 4):
        config = LAGConfig(scale=2, center_every=every)
        duration.estimate_seconds(
            SimpleNamespace(schedule=config.schedule()), config, lookup("cifar10"), lambda phase: 1e12, 2
        )
    assert timed == [2, 8]


def test_twice_the_length_takes_twice_as_long(monkeypatch):
    monkeypatch.setattr(duration, "_step_seconds", lambda method, config, dataset, batch: 0.5 * batch)
    configs = [LAGConfig(scale=2, batch=8, training_kimg=k) for k in (1, 2)]
    methods = [SimpleNamespace(schedule=config.schedule()) for config in configs]
    of_phase, dataset = (lambda phase: 1e6), lookup("cifar10")
    one, two = (duration.estimate_seconds(m, c, dataset, of_phase, 1) for m, c in zip(methods, configs, strict=True))
    assert one == 512 and two == 1024
