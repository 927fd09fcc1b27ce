"""The parity tool: each method's own step against the reference's arrays, and that the tool sees what it should."""

import numpy as np
import pytest

from libml.system.hardware import on_gpus
from tests import parity
from tests.support import GOLDEN

STEPS = [path for path in sorted(GOLDEN.glob("*.npz")) if path.stem != "layers"]  # whose test is test_layers.py


@pytest.mark.parametrize("path", STEPS, ids=lambda p: p.stem)
def test_step_equals_reference(path, capsys):
    status = parity.main([str(path)])
    assert status == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    "file, name",
    [
        ("edsr_average4x", "grad_g/sres/conv2d_1/bias"),
        ("srgan_average4x", "grad_g/sres/conv2d_5/bias"),  # 0 but for rounding
        ("srgan2_average4x", "grad_d/disc/batch_normalization_5/gamma"),
        ("srgan2_average4x", "var_updated/disc/batch_normalization/moving_mean"),
    ],
)
def test_a_wrong_value_is_seen(file, name, tmp_path, capsys):
    with np.load(GOLDEN / f"{file}.npz") as golden:
        arrays = dict(golden)
    arrays[name] = arrays[name] * np.float32(1.001) + np.float32(1e-4)
    np.savez(tmp_path / "wrong.npz", **arrays)
    assert parity.main([str(tmp_path / "wrong.npz")]) == 1
    assert "out of bounds" in capsys.readouterr().out


def test_every_wrong_value_of_lag_is_seen(tmp_path, capsys):
    wrong = {
        "fake_eps": "fake_eps",
        "loss/gp": "loss/gp",
        "grad_d/disc/stage_0/conv2d_scaled/kernel": "grad_d",
        "var_step1/sres/stage_0/conv2d_scaled/bias": "var_step1",
    }
    with np.load(GOLDEN / "lag_average8x_lod1.npz") as golden:
        arrays = dict(golden)
    for name in wrong:
        arrays[name] = arrays[name] * np.float32(1.001) + np.float32(1e-4)
    np.savez(tmp_path / "wrong.npz", **arrays)
    assert parity.main([str(tmp_path / "wrong.npz")]) == 1
    seen = [line.split()[0] for line in capsys.readouterr().out.splitlines() if "out of bounds" in line]
    assert sorted(seen) == sorted(wrong.values())


def test_a_step_that_is_wrong_on_gpus_alone_is_seen(monkeypatch, capsys):
    step_terms = parity.LAG.step_terms

    def wrong(self, *args):
        terms = step_terms(self, *args)
        if on_gpus():
            terms.losses["gp"] *= 1.001
        return terms

    monkeypatch.setattr(parity.LAG, "step_terms", wrong)
    assert parity.main([str(GOLDEN / "lag_average8x_lod1.npz")]) == 1
    assert "gp, fast, for GPUs  <-- out of bounds" in capsys.readouterr().out


def test_nan_is_out_of_bounds():
    report = parity.Report()
    report.relative("group", "name", np.array([np.nan]), np.array([1.0]))
    report.relative("group", "name", np.array([1.0]), np.array([1.0]))
    assert not report.ok
