"""Checkpoints of the reference, loaded as if they were ours."""

import shutil

import numpy as np
import pytest
import tensorflow as tf

from lag.config import LAGConfig
from lag.formats import tf1
from lag.model.training import LAG
from lag.trained import load_trained
from libml.errors import UserError
from libml.layers.resample import DOWNSCALERS
from libml.training.checkpoint import Checkpoints, Clock
from libml.training.run_folder import check_same_run, from_args, load_args
from tests.lag.model.test_parity import GOLDEN

RUN = next((GOLDEN / "tf1_run").glob("LAG_*"))
NIMG = 5 * 1024


@pytest.fixture(scope="module")
def values():
    """Every variable of the reference's checkpoint."""
    stage, prefix = tf1.newest_checkpoint(RUN)
    assert stage == 3 and prefix.endswith("model.ckpt-320")
    reader = tf.train.load_checkpoint(prefix)
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def write_run(folder, values, stage=3, step=320):
    """A reference run with these variables."""
    checkpoint = folder / "tf" / f"stage_{stage}" / f"model.ckpt-{step}"
    checkpoint.parent.mkdir(parents=True)
    shutil.copytree(RUN / "args", folder / "args")
    names = sorted(values)
    tf.raw_ops.SaveV2(
        prefix=str(checkpoint), tensor_names=names, shape_and_slices=[""] * len(names),
        tensors=[tf.constant(values[n]) for n in names],
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    return tf1.import_run(RUN, str(tmp_path_factory.mktemp("ours")), "celeba32")


def test_the_generator_makes_the_reference_s_images(imported):
    folder, nimg = imported
    assert nimg == NIMG and folder.name == RUN.name
    sampler = load_trained(folder).sampler()
    with np.load(GOLDEN / "tf1_run" / "expected.npz") as expected:
        lores = expected["lores"].transpose(0, 2, 3, 1)
        made = sampler(lores, np.zeros([*lores.shape[:3], 4], np.float32))
        assert np.std(made) > 0.1
        np.testing.assert_allclose(made, expected["sres_noise0"].transpose(0, 2, 3, 1), atol=1e-4)


def test_every_value_arrives_and_training_goes_on(imported, values):
    folder, _ = imported
    args = load_args(folder)
    config = from_args(LAGConfig, args)
    check_same_run(config, folder)
    model, clock = LAG(config, args["colors"]), Clock(0)
    assert Checkpoints(folder / "tf", tf.train.Checkpoint(method=model, clock=clock)).restore_latest() == NIMG
    names = tf1.state_names(model, 3)
    assert len(names) + 4 * 4 + 1 == len(values)
    for name, variable in names.items():
        np.testing.assert_array_equal(variable, values[name], err_msg=name)
    steps = [getattr(model, f"{n}_optimizer_{k}").iterations for k in range(4) for n in "gd"]
    # The folder stage_3 covers the transition to the last stage and the last phase, 2 kimg in batches of 16.
    assert {int(t) for t in steps} == {128}

    hires = tf.random.stateless_uniform([16, 32, 32, 3], [0, 0], -1.0, 1.0)
    phase = config.schedule().phase(NIMG)
    for step in range(2):
        model.train_step((DOWNSCALERS[config.downscaler](hires, 8), hires), phase, NIMG + 16 * step)
    assert {int(t) for t in steps} == {130}
    for name, variable in names.items():
        assert np.all(np.isfinite(variable)), name


def test_an_early_checkpoint_leaves_later_stages_as_they_start(values, tmp_path):
    early = {n: v for n, v in values.items() if not any(s in n for s in ("stage_2", "stage_3", "opt_2", "opt_3"))}
    early["global_step"] = np.int64(64)
    run = write_run(tmp_path / "celeba32" / "average8X" / RUN.name, early, stage=1, step=64)
    folder, nimg = tf1.import_run(run, str(tmp_path / "ours"))
    assert nimg == 64 * 16 and folder.parent.parent.name == "celeba32"
    trained = load_trained(folder)
    fresh = LAG(trained.config, 3)
    for k in range(4):
        for ours, start in zip(trained.generator.stage_variables(k), fresh.ema.stage_variables(k), strict=True):
            same = np.array_equal(ours, start)
            assert same == (k > 1), (k, ours.path)
    shutil.copytree(write_run(tmp_path / "later", values) / "tf" / "stage_3", run / "tf" / "stage_3")
    assert tf1.newest_checkpoint(run)[0] == 3


def test_what_does_not_fit_is_named(values, tmp_path):
    changed = dict(values)
    del changed["disc/stage_2/from_rgb/conv2d_scaled/bias"]
    changed["sres/stage_4/conv2d_scaled/kernel"] = np.zeros(3, np.float32)
    changed["opt_1/sres/stage_1/to_rgb/conv2d_scaled/bias/Adam_1"] = np.zeros(5, np.float32)
    with pytest.raises(UserError) as refused:
        tf1.import_run(write_run(tmp_path / "run", changed), str(tmp_path), "celeba32")
    assert "disc/stage_2/from_rgb/conv2d_scaled/bias is missing" in str(refused.value)
    assert "sres/stage_4/conv2d_scaled/kernel is not a variable of this model" in str(refused.value)
    assert "opt_1/sres/stage_1/to_rgb/conv2d_scaled/bias/Adam_1 is [5], should be [3]" in str(refused.value)
    odd = {**values, "opt_0/beta2_power": np.float32(0.5)}
    with pytest.raises(UserError, match=r"opt_0/beta2_power 0\.5 is no power"):
        tf1.import_run(write_run(tmp_path / "odd", odd), str(tmp_path), "celeba32")
    assert not list(tmp_path.glob("celeba32/*/*"))


def test_critic_s_powers_come_first(values, tmp_path):
    beta = np.float32(0.99)
    changed = {**values, "opt_2/beta2_power": beta**4, "opt_2/beta2_power_1": beta**8}
    run = write_run(tmp_path / "run", changed)
    config = tf1.run_config(run, str(tmp_path), "celeba32")
    model = LAG(config, 3)
    tf1.load_checkpoint(model, tf1.newest_checkpoint(run)[1], 3)
    assert (int(model.d_optimizer_2.iterations), int(model.g_optimizer_2.iterations)) == (3, 7)


@pytest.mark.parametrize("steps", [0, 1, 128, 8000])
def test_steps_from_power(steps):
    power = np.float32(0.99)
    for _ in range(steps):
        power *= np.float32(0.99)
    assert tf1.steps_from_power(float(power), 10**6) == steps
    assert tf1.steps_from_power(0.0, 10**6) == 10**6


def test_mistakes_are_said(imported, tmp_path):
    with pytest.raises(UserError, match="already holds a run"):
        tf1.import_run(RUN, str(imported[0].parents[2]), "celeba32")
    with pytest.raises(UserError, match="add --dataset"):
        tf1.import_run(RUN, str(tmp_path))
    with pytest.raises(UserError, match="no run folder"):
        tf1.import_run(tmp_path, str(tmp_path))
    shutil.copytree(RUN / "args", tmp_path / "empty" / "args")
    with pytest.raises(UserError, match="no checkpoint of the reference"):
        tf1.import_run(tmp_path / "empty", str(tmp_path), "celeba32")
    broken = shutil.copytree(RUN, tmp_path / "broken")
    data = next(broken.rglob("*.data-*"))
    data.write_bytes(data.read_bytes()[:1000])
    with pytest.raises(UserError, match="cannot read checkpoint"):
        tf1.import_run(broken, str(tmp_path), "celeba32")
