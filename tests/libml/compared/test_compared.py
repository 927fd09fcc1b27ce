"""EDSR, SRGAN and SRGAN2 as they are trained: stopped and gone on with, on replicas, loaded; and their schedules."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from edsr import EDSR, EDSRConfig
from libml.compared.sampler import GeneratorSampler
from libml.compared.trained import load_compared
from libml.datasets.catalogue import lookup
from libml.datasets.stream import Images
from libml.errors import UserError
from libml.system.interrupts import Interrupted
from libml.training import checkpoint, loop
from libml.training.preview import Preview
from libml.training.run_folder import save_args
from libml.training.schedule import KIMG
from srgan import SRGAN, SRGANConfig
from srgan2 import SRGAN2, SRGAN2Config
from tests.stress import TIMING, scalars
from tests.support.programs import mistake, start
from tests.support.stopping import stopping
from tests.support.vgg_file import weights, write

TINY = {"filters": 4, "batch": 128, "dataset": "cifar10", "total_kimg": 2, "save_kimg": 1, "report_kimg": 1}
KINDS = {
    EDSR: {"repeat": 2},
    SRGAN: {"blocks": 1, "layer_name": "conv1_2"},
    SRGAN2: {"blocks": 1, "layer_name": "conv1_2"},
}
ADVERSARIAL = (SRGAN, SRGAN2)


@pytest.fixture(scope="module")
def vgg_dir(tmp_path_factory):
    """A data folder with nothing but a narrow VGG19."""
    folder = tmp_path_factory.mktemp("vgg")
    write(folder, weights("conv1_1", "conv1_2"))
    return folder


def tiny(kind, **options):
    config = kind.config_type(**{**TINY, **KINDS[kind], **options})
    config.validate()
    return config


def train(method, config, data_dir):
    images = Images(lookup(config.dataset), data_dir)
    sampler = GeneratorSampler(method.generator, config)
    loop.train(method, config, config.folder, images, Preview(lambda *_: sampler, config, images.test_images(limit=2)))


def state(method) -> dict[str, np.ndarray]:
    return {name: np.array(v) for name, v in method.named_variables().items()}


def set_state(method, values) -> None:
    for name, variable in method.named_variables().items():
        variable.assign(values[name])


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.__name__)
def straight(request, data_dir, vgg_dir, tmp_path_factory):
    """(method's class, config, trained method) of a whole run, not interrupted."""
    kind = request.param
    config = tiny(kind, train_dir=str(tmp_path_factory.mktemp(kind.__name__)))
    method = stopping(kind)(config, 3, 32, data_dir=vgg_dir)
    train(method, config, data_dir)
    return kind, config, method


def test_a_stopped_run_ends_as_one_that_was_not(straight, data_dir, vgg_dir, tmp_path, monkeypatch):
    """Both of one method, whose variables are set back before each part: tracing another takes long."""
    kind, _, method = straight
    config, whole = tiny(kind, train_dir=str(tmp_path)), state(method)
    initial = state(kind(config, 3, 32, data_dir=vgg_dir))
    set_state(method, initial)
    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(method, "stop_at", 1280)
        train(method, config, data_dir)
    assert checkpoint.list_checkpoints(config.folder / "tf")[-1][0] == 1280 + 128
    set_state(method, initial)
    train(method, config, data_dir)
    resumed = state(method)
    assert resumed.keys() == whole.keys() and any(np.any(whole[name] != initial[name]) for name in whole)
    for name, value in whole.items():
        np.testing.assert_array_equal(resumed[name], value, err_msg=name)
    assert scalars(config.folder) == scalars(straight[1].folder)


def test_it_reports_its_losses(straight):
    kind, config, _ = straight
    tags = {"rmse", "lr", *(("gmse",) if kind is EDSR else ("gmse", "gpcp", "ggan", "dreal", "dfake"))}
    lines = [json.loads(line) for line in (config.folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["kimg"] for line in lines] == [1, 2]
    assert all(set(line) == tags | TIMING | {"kimg"} and np.all(np.isfinite(list(line.values()))) for line in lines)
    assert {tag for _, tag, _ in scalars(config.folder)} == tags
    assert lines[1]["gmse"] < lines[0]["gmse"]
    assert (config.folder / "preview.png").read_bytes().startswith(b"\x89PNG")
    # gmse and rmse say the same; rmse is the mean of the steps' roots.
    np.testing.assert_allclose(lines[1]["rmse"], 127.5 * lines[1]["gmse"] ** 0.5, rtol=0.01)


def test_a_checkpoint_holds_all_that_changes_and_no_vgg(straight):
    _, config, method = straight
    path = checkpoint.of_run(config.folder)[1] / "model"
    saved = [shape for name, shape in tf.train.list_variables(str(path)) if re.match("method/(?!meters)", name)]
    named = [list(v.shape) for v in method.named_variables().values()]
    assert sorted(saved) == sorted(named)


def test_a_run_is_loaded_and_samples_with_moving_statistics(straight, data_dir):
    kind, config, method = straight
    sampler = load_compared(kind, config.folder).sampler()
    assert (sampler.config, sampler.nimg, sampler.stochastic) == (config, 2 * KIMG, False)
    hires = Images(lookup("cifar10"), data_dir).test_images([3, 5, 7])
    lores = tf.nn.avg_pool2d(hires, 4, 4, "VALID").numpy()
    before = state(method)
    made = sampler.candidates(lores, [0.0], 0, [3, 5, 7])
    assert made.shape == (3, 1, 32, 32, 3)
    np.testing.assert_allclose(made[:, 0], method.generator(lores), atol=1e-5)
    np.testing.assert_allclose(made[1:2], sampler.candidates(lores[1:2], [0.0], 0, [5]), atol=1e-5)
    for name, value in state(method).items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)
    assert load_compared(kind, config.folder, KIMG).nimg == KIMG


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_two_replicas_equal_one(kind, two_replicas, vgg_dir):
    hires = tf.constant(np.random.default_rng(0).uniform(-1, 1, [4, 16, 16, 3]), tf.float32)
    lores = tf.nn.avg_pool2d(hires, 4, 4, "VALID")
    losses, states = [], []
    for strategy in (None, two_replicas):
        method = kind(tiny(kind, batch=4), 3, 16, strategy, data_dir=vgg_dir)
        step = tf.function(method.apply_step, autograph=False)
        losses.append([step(lores, hires, tf.constant(4 * i, tf.int64)) for i in range(2)])
        states.append(state(method))
    for one, two in zip(*losses, strict=True):
        for name in one:
            np.testing.assert_allclose(one[name], two[name], rtol=1e-4, err_msg=name)
    assert all(losses[0][0][name] != losses[0][1][name] for name in losses[0][0])
    for name, value in states[0].items():
        # Before BatchNorm a bias' gradient is rounding, which Adam makes steps of lr of.
        bound = 4e-4 if name.endswith("_conv/bias") else 2e-5
        assert np.max(np.abs(value - states[1][name])) < bound, name


def test_learning_rates():
    """SRGAN's falls in the second half of the run, SRGAN2's from the start."""
    half = 512 * KIMG
    positions = (0, half // 2, half, half * 3 // 2, 2 * half)
    for config, expected in (
        (EDSRConfig(total_kimg=1024), [1e-4] * 5),
        (SRGANConfig(total_kimg=1024), [1e-4, 1e-4, 1e-4, 1e-4 * 0.1**0.5, 1e-5]),
        (SRGAN2Config(total_kimg=1024), [1e-3, 1e-3 * 0.1**0.5, 1e-4, 1e-4 * 0.1**0.5, 1e-5]),
    ):
        np.testing.assert_allclose([config.learning_rate(nimg) for nimg in positions], expected, rtol=1e-12)
        assert config.schedule().total == 2 * half


@pytest.mark.parametrize(
    "kind, size, widths",
    [
        (SRGAN, 16, [3, 3, 6, 6]),
        (SRGAN, 64, [3, 3, 6, 6, 12, 12, 24, 24]),
        (SRGAN2, 32, [3, 6, 12, 24, 6, 6, 24, 1]),
        (SRGAN2, 64, [3, 6, 12, 24, 48, 24, 6, 6, 24, 1]),
        (SRGAN2, 128, [3, 6, 12, 24, 48, 96, 48, 24, 6, 6, 24, 1]),
    ],
)
def test_critics_grow_with_the_image(kind, size, widths):
    critic = kind.critic_type(colors=3, size=size, filters=3, seed=0)
    assert [v.shape[-1] for v in critic.variables if v.name == "kernel" and len(v.shape) == 4] == widths


@pytest.mark.parametrize("kind", ADVERSARIAL, ids=lambda kind: kind.__name__)
def test_without_perceptual_loss_no_vgg_is_needed(kind, tmp_path):
    hires = tf.random.stateless_uniform([2, 16, 16, 1], [0, 0], -1, 1)
    method = kind(tiny(kind, pcp_weight=0.0), 1, 16, data_dir=tmp_path)
    terms = tf.function(method.step_terms, autograph=False)(tf.nn.avg_pool2d(hires, 4, 4, "VALID"), hires)
    assert set(terms.losses) == set(method.metrics) == {"gmse", "ggan", "dreal", "dfake"}
    assert all(np.any(gradient) for gradient in terms.grad_g + terms.grad_d if gradient.shape.rank == 4)


@pytest.mark.parametrize("kind", ADVERSARIAL, ids=lambda kind: kind.__name__)
def test_images_of_one_colour_and_any_even_size_train(kind, vgg_dir):
    hires = tf.random.stateless_uniform([2, 28, 28, 1], [0, 0], -1, 1)
    method = kind(tiny(kind), 1, 28, data_dir=vgg_dir)
    values = method.apply_step(tf.nn.avg_pool2d(hires, 4, 4, "VALID"), hires, tf.constant(0, tf.int64))
    assert float(values["gpcp"]) > 0 and np.all(np.isfinite(list(values.values())))


@pytest.mark.parametrize(
    "kind, options, said",
    [
        (EDSR, {"repeat": 0}, "--repeat=0 must be positive"),
        (SRGAN, {"filters": 0}, "--filters=0 must be positive"),
        (SRGAN, {"lr_decay": 0.0}, r"--lr_decay=0\.0 must be positive"),
        (SRGAN, {"total_kimg": 0}, "--total_kimg=0 must be positive"),
        (SRGAN2, {"adv_weight": -1.0}, r"--adv_weight=-1\.0 cannot be negative"),
        (SRGAN2, {"layer_name": "pool3"}, "--layer_name=pool3 is no convolution"),
    ],
)
def test_parameters_that_cannot_be_are_refused(kind, options, said):
    with pytest.raises(UserError, match=said):
        tiny(kind, **options)


def test_candidates_of_a_method_without_noise_are_one(data_dir, tmp_path):
    config, picture = tiny(EDSR, train_dir=str(tmp_path)), tmp_path / "candidates.png"
    save_args(config, config.folder, colors=3)
    checkpoint.Checkpoints(config.folder / "tf", tf.train.Checkpoint(method=EDSR(config, 3, 32))).save(KIMG)
    make = ["scripts/lag_generate_candidates.py", f"--ckpt={config.folder}", f"--data_dir={data_dir}"]
    done = start(*make, "--samples=0,3", "--ncand=3", f"--save_to={picture}", "--plain")
    assert done.returncode == 0, done.stderr
    assert Image.open(picture).size == (3 * 32, 2 * 32)


def test_the_programs(data_dir, tmp_path):
    flags = ["--dataset=cifar10", "--filters=4", "--blocks=1", "--batch=128", "--total_kimg=1", "--pcp_weight=0"]
    flags += ["--eval_kimg=1", "--eval_images=4"]
    place = f"--data_dir={data_dir}", f"--train_dir={tmp_path}"
    assert "makes one image: use swd, lr_error, rmse" in mistake("srgan.py", *flags, *place, "--keep_best=energy")
    done = start("srgan.py", *flags, *place, "--keep_best=rmse", alone=True)
    assert done.returncode == 0, done.stderr
    assert "critic" in done.stdout and "1.0/1 kimg" in done.stdout and "gpcp" not in done.stdout
    (folder,) = (tmp_path / "cifar10" / "average4X").iterdir()
    assert folder.name == (
        "SRGAN_adv_weight0.001_batch128_blocks1_filters4_layer_nameconv2_2_lr0.0001_lr_decay0.1_pcp_weight0.0_"
        "total_kimg1"
    )
    measured = json.loads((folder / "metrics.jsonl").read_text().splitlines()[1])
    assert set(measured) == {"kimg", "eval/swd", "eval/lr_error", "eval/rmse"}
    assert load_compared(SRGAN, folder / "best").nimg == KIMG
    done = start("cgan.py", *flags[:3], *flags[4:5], f"--train_dir={tmp_path}/none", "--dry_run")
    assert done.returncode == 0, done.stderr
    *_, length, time = done.stdout.splitlines()
    assert length == "length of the run: 1 kimg (1,024 images)" and "lod 2" in done.stdout and "critic" in done.stdout
    assert re.match(r"time here: about [\d.]+ (seconds|minutes) on 1 device\(s\) \(3 steps", time)
    assert not (tmp_path / "none").exists()
    assert "--layer_name=conv9" in mistake("srgan2.py", "--layer_name=conv9")
    assert "did you mean cifar10" in mistake("edsr.py", "--dataset=cifar1", f"--data_dir={data_dir}")
