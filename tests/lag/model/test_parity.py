"""The parity tool: each method's own step against the reference's arrays, and that the tool sees what it should."""

import numpy as np
import pytest

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
        ("lag_average8x_lod1", "fake_eps"),
        ("lag_average8x_lod1", "loss/gp"),
        ("lag_average8x_lod1", "grad_d/disc/stage_0/conv2d_scaled/kernel"),
        ("lag_average8x_lod1", "var_step1/sres/stage_0/conv2d_scaled/bias"),
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


def test_nan_is_out_of_bounds():
    report = parity.Report()
    report.relative("group", "name", np.array([np.nan]), np.array([1.0]))
    report.relative("group", "name", np.array([1.0]), np.array([1.0]))
    assert not report.ok
