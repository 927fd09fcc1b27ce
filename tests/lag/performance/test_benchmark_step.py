"""The benchmark of steps: what it counts, how it takes turns, what it refuses."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import flagsaver

from lag import program
from lag.config import LAGConfig
from lag.model import costs
from lag.model.training import LAG
from lag.performance import benchmark, profiling
from libml.errors import UserError
from libml.system.hardware import as_if
from scripts import benchmark_step
from tests.support.programs import mistake, start

SMALL = ("--sizes=S", "--batch=2", "--seconds=0.1", "--set=filters=8,filters_min=4")
CONFIG = LAGConfig(scale=4, blocks=2, filters=8, filters_min=4, noise_dim=2)


def test_multiply_adds_by_hand():
    # 16 x 16 images, 4 x 4 LR ones; widths 8, 4, 4; 3 colours, 2 channels of noise.
    at_lores = 9 * (5 * 8 + 4 * 8 * 8) * 16
    first = 9 * (8 * 4 + 4 * 4 + 4 * 3) * 64
    second = 9 * (4 * 4 + 4 * 4 + 4 * 3) * 256
    assert costs.generator_multiply_adds(CONFIG, 3, 16) == at_lores + first + second
    assert costs.generator_multiply_adds(CONFIG, 3, 16, lod_stop=1) == at_lores + first
    largest = 9 * ((3 * 4 + 4 * 4) * 256 + 16 * 4 * 64)
    middle = 9 * ((3 * 4 + 4 * 4) * 64 + 16 * 8 * 16)
    assert costs.projection_multiply_adds(CONFIG, 3, 16) == largest + middle + 9 * (11 * 8 + 8 * 8) * 16
    g, p = costs.generator_multiply_adds(CONFIG, 3, 16), costs.projection_multiply_adds(CONFIG, 3, 16)
    assert costs.step_operations(CONFIG, 3, 16) == 12 * g + 30 * p


def test_multiply_adds_of_the_layers_there_are():
    model = LAG(CONFIG, 3)
    for network, counted in (
        (model.generator, costs.generator_multiply_adds),
        (model.projection, costs.projection_multiply_adds),
    ):
        total = 0
        for k in range(3):
            for layer in network.stage_layers(k):
                pixels = 16 * 4**k // (4 if layer.form == "shuffled" else 1)
                total += pixels * np.prod(layer.kernel.shape)
        assert counted(CONFIG, 3, 16) == total
    built = [sum(np.prod(v.shape) for v in net.variables) for net in (model.generator, model.projection)]
    assert costs.weights(CONFIG, 3) == tuple(built)


def test_a_recipe_is_its_flags():
    config = benchmark_step.configured(CONFIG, ["recipe=posterior", "center_every=1"])
    assert config.consistent and config.gan_loss == "pairing" and config.center_every == 1
    assert benchmark_step.configured(config, ["blocks=3"]).center_every == 1


def test_small_steps_get_a_core_an_operation(tmp_path):
    small = {"filters": 64, "filters_min": 16, "blocks": 2, "noise_dim": 16, "scale": 8}
    assert program.device_needs(LAGConfig(dataset="celeba32", **small), tmp_path)["threads_per_op"] == 1
    assert program.device_needs(LAGConfig(dataset="celeba128", scale=8), tmp_path)["threads_per_op"] == 0


def test_passes_are_joined_where_an_operation_has_all_cores():
    small, large = (LAGConfig(scale=8, batch=batch, filters=64) for batch in (1, 1000))
    assert not costs.plan(small, 3, 32).joined and costs.plan(small, 3, 32).threads_per_op >= 1
    assert costs.plan(large, 3, 32) == costs.Plan(joined=True, threads_per_op=0)
    with as_if(on_gpus=True):
        assert costs.plan(small, 3, 32) == costs.Plan(joined=True, threads_per_op=0)


def test_what_the_time_of_operations_is_shared_by():
    both = [profiling.Operation("a", 0, 60), profiling.Operation("b", 20, 100), profiling.Operation("a", 20, 40)]
    one = profiling.attribute(both, at_once=1)  # a alone, then two of a beside b, a beside b, b alone
    assert one == pytest.approx({"a": 0.2 + 0.2 * 2 / 3 + 0.1, "b": 0.2 / 3 + 0.1 + 0.4, profiling.WAITING: 0})
    two = profiling.attribute([profiling.Operation("a", 10, 60), profiling.Operation("b", 30, 110)], at_once=2)
    assert two == pytest.approx({"a": 0.25, "b": 0.4, profiling.WAITING: 0.35})


@pytest.mark.parametrize(
    "name, kind, shown",
    [
        ("generator_1/stage_2_1/conv2d_transpose", "_MklNativeConv2DBackpropInput", "G, forward"),
        ("gradient_tape/generator_1/stage_2_1/conv2d_transpose/Conv2D", "Conv2D", "G, input gradients"),
        ("projection_3/stage_3_1/LeakyRelu_1", "_FusedConv2D", "P, forward"),
        ("gradient_tape/projection_1/block_0_1/Conv2DBackpropInput", "Conv2DBackpropInput", "P, input gradients"),
        ("gradient_tape/gradient_tape/projection_1/stage_1_1/Conv2D_1", "_MklNativeConv2D", "P, forward"),
        (
            "gradient_tape/gradient_tape/projection_1/stage_1_1/Conv2DBackpropFilter",
            "_MklNativeConv2DBackpropFilter",
            "P, weight gradients",
        ),
        ("gradient_tape/generator_1/stage_1_1/MatMul_3", "_MklNativeMatMul", "G, weight gradients"),
        ("gradient_tape/projection_3/block_0_1/over_batch/Conv2D", "_MklNativeConv2D", "P, weight gradients"),
        ("generator_1/stage_2_1/spread_1/MatMul", "_MklMatMul", "MatMul"),
        ("gradient_tape/generator_1/stage_2_1/spread/MatMul/MatMul", "_MklMatMul", "MatMul"),
        ("gradient_tape/projection_1/stage_1_1/LeakyReluGrad", "LeakyReluGrad", "LeakyReluGrad"),
        ("projection_1/AvgPool", "_MklNativeAvgPool", "AvgPool"),
    ],
)
def test_what_an_operation_is_shown_as(name, kind, shown):
    assert profiling.group(name, kind) == shown


def test_what_xla_compiles_is_shown():
    x = tf.ones([64, 64])
    multiply = tf.function(lambda x: tf.reduce_sum(x * x), jit_compile=True)
    multiply(x)
    assert profiling.COMPILED in {op.group for op in profiling.operations([lambda: multiply(x)])}


def test_configurations_take_turns(monkeypatch):
    now, order = [0.0], []

    def timed(name, seconds, precision):
        def call(i):
            order.append(name.upper() if tf.config.experimental.tensor_float_32_execution_enabled() else name)
            now[0] += seconds

        return benchmark.Timed(name, call, 4, 100, precision)

    monkeypatch.setattr(benchmark.time, "perf_counter", lambda: now[0])
    beside = [timed("c", 0.5, "float32")]
    slow, fast, _ = benchmark.speeds([timed("a", 0.5, "tf32"), timed("b", 0.25, "float32")], 2.0, beside)
    assert "".join(order) == "AAAbbbccc" + 2 * "AAbbbbcc"  # in capitals: with TF32
    assert (slow.median, slow.calls, fast.median, fast.calls) == (8, 4, 16, 8)
    order.clear()
    *_, fast = benchmark.speeds(beside, 1.0, [timed("b", 0.25, "float32")])
    assert "".join(order) == "cccbbb" + 2 * "ccbbbb" and fast.calls == 8  # three calls, at least, of what is timed


def test_a_table_and_json(tmp_path):
    compare = ["--compare=jit_compile=false", "--compare=precision=bfloat16,blocks=1"]
    done = start(
        "scripts/benchmark_step.py", *SMALL, "--phase=1-2", *compare, f"--json={tmp_path}/figures.json", alone=True
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert [f["name"] for f in figures] == ["S jit_compile=false", "S precision=bfloat16,blocks=1"]
    assert all(f["low"] <= f["median"] <= f["high"] and f["peak"] > 1e9 and f["share"] > 0 for f in figures)
    assert "S jit_compile=false" in done.stdout


def test_a_profile_adds_up():
    done = start("scripts/benchmark_step.py", *SMALL, "--profile")
    assert done.returncode == 0, done.stderr
    shares = dict(re.findall(r"^    (\S.*?) +([\d.]+)% .*calls", done.stdout, re.M))
    assert {f"{n}, {kind}" for n in "GP" for kind in ("forward", "input gradients", "weight gradients")} <= set(shares)
    assert sum(map(float, shares.values())) == pytest.approx(100, abs=1) and profiling.WAITING in shares


def test_the_generator_and_its_export(tmp_path):
    small = ["--sizes=S", "--seconds=0.1", "--set=filters=8,filters_min=4,blocks=1,precision=bfloat16"]
    done = start("scripts/benchmark_step.py", *small, "--inference", f"--json={tmp_path}/figures.json")
    assert done.returncode == 0, done.stderr
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert [f["name"] for f in figures] == ["S G, batch 1", "S sample, batch 1", "S G, batch 32", "S sample, batch 32"]
    bfloat16, float32, *others = (f["peak"] for f in figures)  # an export computes in float32
    assert bfloat16 != float32 and others == [bfloat16, float32]


@pytest.mark.parametrize(
    "args, said",
    [
        (["--sizes=XL"], "no size XL"),
        (["--set=colour=3"], "no parameter 'colour'"),
        (["--set=blocks=many"], "'many' is no int"),
        (["--set=precision=float8"], "precision=float8 is unknown"),
        (["--set=precision=tf32"], "precision=tf32 is for GPUs"),
        (["--set=encoder=true"], "--encoder cannot be measured"),
        (["--set=spectral_norm=true"], "--spectral_norm cannot be measured"),
        (["--set=scale=64"], "--scale=64 does not divide the 32 pixels of size S's images"),
        (["--set=scale=16,downscaler=bicubic"], "--scale=16 is too large for size S"),
        (["--profile", "--inference"], "leave out --compare"),
        (["--profile", "--set=remat=true"], "--profile counts neither"),
        (["--profile", "--set=step=plain"], "--profile counts what the fast step computes"),
        (["--phase=1-3"], "write a level"),
        (["--phase=0"], "a level from 1 to 3"),
        (["--phase=3-4"], "a level from 1 to 3"),
        (["--compare=batch=2", "--compare=batch=4096"], "give --threads_per_op"),
    ],
)
def test_what_cannot_be_measured_is_refused(args, said):
    with flagsaver.flagsaver():
        benchmark_step.FLAGS(["benchmark_step.py", "--set=filters=8", *args])
        with pytest.raises(UserError, match=re.escape(said)):
            benchmark_step.main()


def test_a_mistake_is_one_line():
    small = ["--sizes=S", "--seconds=0.1", "--set=filters=8"]
    assert "multiple of 2" in mistake("scripts/benchmark_step.py", *small, "--batch=3", "--replicas=2")


def test_configured_parses_as_the_flags_do():
    config = benchmark_step.configured(benchmark_step.LAGConfig(), ["blocks=3", "jit_compile=TRUE", "lr=0.5"])
    assert (config.blocks, config.jit_compile, config.lr) == (3, True, 0.5)


def test_speed_is_the_median_between_tenths():
    seconds = [2 / rate for rate in range(1, 21)]  # of two images
    assert benchmark._speed(2, seconds[::-1]) == pytest.approx((10.5, 3, 18, 20))
