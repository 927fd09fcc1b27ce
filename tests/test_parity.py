"""The parity tool: LAG's own step against the reference's arrays, and that the tool sees what it should."""

from pathlib import Path

import numpy as np
import pytest

from tests import parity

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("lag_*.npz")), ids=lambda p: p.stem)
def test_step_equals_reference(path, capsys):
    status = parity.main([str(path)])
    assert status == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    "name",
    ["fake_eps", "loss/gp", "grad_d/disc/stage_0/conv2d_scaled/kernel", "var_step1/sres/stage_0/conv2d_scaled/bias"],
)
def test_a_wrong_value_is_seen(name, tmp_path, capsys):
    with np.load(GOLDEN / "lag_average8x_lod1.npz") as golden:
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
