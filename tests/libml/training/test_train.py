"""Runs from end to end: the real step on real files, stopped and gone on with, and what they leave behind."""

import contextlib
import dataclasses
import errno
import fcntl
import json
import os
import shutil
import signal
import tempfile

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from lag import program, sampling
from lag.config import LAGConfig
from lag.model.training import LAG
from lag.trained import load_trained
from libml.datasets import records
from libml.datasets.catalogue import lookup
from libml.datasets.stream import Images
from libml.errors import UserError
from libml.images import encode_png, to_uint8
from libml.layers.resample import average_downscale2d
from libml.page import draw
from libml.sampler import candidate_stds, candidates_figure, candidates_grid
from libml.system import lease
from libml.system.interrupts import Interrupted
from libml.system.store_path import to_path
from libml.training import checkpoint, loop, run_folder, summary
from libml.training.config import MEASURES
from libml.training.evaluation import Evaluation
from libml.training.preview import Preview
from libml.training.run_folder import load_args, save_args
from tests.stress import TIMING, scalars
from tests.support.images import TINY, blobs, write_images
from tests.support.stopping import stopping

Stopping = stopping(LAG)


def run(config, data_dir, stop_at=None, number=signal.SIGTERM, folder=None, kind=Stopping, model=None, **options):
    """Trains in this process. A model that was traced before takes less time; all that it holds is restored."""
    model = model or kind(config, 3)
    model.stop_at, model.number = stop_at, number
    images = Images(lookup(config.dataset), data_dir)
    samplers = sampling.PhaseSamplers(model)
    preview = Preview(samplers, config, images.test_images(limit=2))
    evaluation = Evaluation(samplers, config, images.test_images(limit=config.eval_images))
    loop.train(model, config, folder or config.folder, images, preview, evaluation=evaluation, **options)
    return model


def state(model) -> dict[str, np.ndarray]:
    return {name: np.array(v) for name, v in model.named_variables().items()}


def three_phases(folder) -> LAGConfig:
    lengths = {"batch": 32, "training_kimg": 1, "transition_kimg": 1, "save_kimg": 1, "report_kimg": 1}
    measuring = {"eval_kimg": 1, "eval_images": 3, "keep_best": "rmse"}
    return LAGConfig(**{**TINY, **lengths, **measuring, "dataset": "cifar10", "train_dir": str(folder)})


@pytest.fixture(scope="module")
def straight(data_dir, tmp_path_factory):
    """A whole run through three phases, not interrupted."""
    config = three_phases(tmp_path_factory.mktemp("straight"))
    return config, run(config, data_dir)


@pytest.fixture(scope="module")
def whole(straight):
    """What the whole run's model holds at the end."""
    return state(straight[1])


@pytest.fixture(scope="module")
def half(data_dir, tmp_path_factory):
    """The same run, stopped twice: with the last batch of the first phase, and in the middle of the second."""
    config = three_phases(tmp_path_factory.mktemp("half"))
    for stop_at, number in ((992, signal.SIGINT), (1504, signal.SIGTERM)):
        with pytest.raises(Interrupted) as stopped:
            run(config, data_dir, stop_at=stop_at, number=number)
        assert stopped.value.code == 128 + number
        assert checkpoint.list_checkpoints(config.folder / "tf")[-1][0] == stop_at + 32
    return config


@pytest.fixture
def stopped(half, tmp_path):
    """A copy of half a run, to go on with."""
    config = three_phases(tmp_path / "stopped")
    shutil.copytree(half.folder, config.folder)
    return config


def test_a_run_leaves_what_it_should(straight):
    config, _ = straight
    assert json.loads((config.folder / "args" / "args.json").read_text())["noise_dim"] == 2
    assert [nimg for nimg, _ in checkpoint.list_checkpoints(config.folder / "tf")] == [1024, 2048, 3072]
    lines = [json.loads(line) for line in (config.folder / "metrics.jsonl").read_text().splitlines()]
    lines, measured = lines[::2], lines[1::2]  # at the same positions here
    assert [line["kimg"] for line in lines] == [line["kimg"] for line in measured] == [1, 2, 3]
    measures = {f"eval/{name}" for name in MEASURES}
    assert all(set(line) == measures | {"kimg"} and np.all(np.isfinite(list(line.values()))) for line in measured)
    tags = {"dreal", "dfake", "gap", "gp", "gfake", "gmse", "rmse", "rmse_ema", "lod", *TIMING}
    assert all(set(line) == tags | {"kimg"} and np.all(np.isfinite(list(line.values()))) for line in lines)
    assert all(line["gap"] == -(line["dreal"] + line["dfake"]) for line in lines)
    assert {tag for _, tag, _ in scalars(config.folder)} == tags - TIMING | measures
    files = (config.folder / "tf" / "summaries").glob("*tfevents*")
    named = [value.tag for path in files for event in summary.events(path) for value in event.summary.value]
    assert named.count("custom_scalars__config__") == named.count("_hparams_/session_start_info") == 1
    assert not list(config.folder.rglob(".*tmp*"))


def test_previews_are_in_tensorboard(straight, data_dir):
    config, _ = straight
    found = [
        (event.step, value)
        for path in (config.folder / "tf" / "summaries").glob("*tfevents*")
        for event in summary.events(path)
        for value in event.summary.value
        if value.tag == "candidates"
    ]
    assert [step for step, _ in found] == [1, 2, 3]
    width, height, png = tf.make_ndarray(found[-1][1].tensor)[:3]
    made = tf.io.decode_png(png).numpy()
    assert made.shape == (int(height), int(width), 3)
    hires = Images(lookup("cifar10"), data_dir).test_images(limit=2)
    sampler = load_trained(config.folder).sampler()  # at the end the newest checkpoint is of the last preview
    title = f"LAG, cifar10 {config.scale}x"
    np.testing.assert_array_equal(
        made, draw(candidates_figure(sampler, hires, "average", (0.0, 0.5, 1.0), config.seed, [0, 1], title))
    )
    with Image.open(config.folder / "preview.png") as newest:
        np.testing.assert_array_equal(np.asarray(newest), made)


def test_the_best_is_a_run_of_its_own(straight, data_dir):
    config, _ = straight
    lines = [json.loads(line) for line in (config.folder / "metrics.jsonl").read_text().splitlines()]
    value, kimg = min((line["eval/rmse"], line["kimg"]) for line in lines if "eval/rmse" in line)
    best = load_trained(config.folder / "best")
    assert best.nimg == kimg * 1024 and best.config == config
    assert load_args(config.folder / "best")["best"]["value"] == value
    then = load_trained(config.folder, best.nimg).generator
    for kept, weight in zip(best.generator.variables, then.variables, strict=True):
        np.testing.assert_array_equal(kept, weight)
    images = Images(lookup("cifar10"), data_dir).test_images(limit=3)
    saved = to_uint8(best.sampler().candidates(average_downscale2d(images, 4).numpy(), [0.0], 0, range(3))[:, 0])
    assert np.sqrt(np.square(saved.astype(float) - to_uint8(images)).mean()) == pytest.approx(value, rel=1e-5)


def test_the_best_goes_on_where_it_was(straight):
    """Its clock is that of its weights."""
    folder = straight[0].folder / "best"
    clock, (nimg, path) = checkpoint.Clock(0), checkpoint.of_run(folder)
    checkpoint.restore(path, tf.train.Checkpoint(clock=clock), partial=True)
    assert int(clock.nimg) == nimg and int(clock.data_position) >= nimg


def assert_same_run(config, model, straight, whole):
    resumed = state(model)
    assert resumed.keys() == whole.keys()
    for name, value in whole.items():
        np.testing.assert_array_equal(resumed[name], value, err_msg=name)
    assert scalars(config.folder) == scalars(straight[0].folder)
    if config.keep_best:
        best, whole_best = (load_args(run.folder / "best")["best"] for run in (config, straight[0]))
        assert best == whole_best


def test_a_stopped_run_ends_as_one_that_was_not(straight, whole, stopped, data_dir):
    assert_same_run(stopped, run(stopped, data_dir), straight, whole)


def test_how_often_it_saves_and_where_to_changes_nothing(straight, whole, stopped, data_dir, tmp_path, monkeypatch):
    """Half a run of a disk goes on on a store, as after copying it there, with data that are there, too."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(lease, "USUAL", lease.Terms(settle=0))
    config = dataclasses.replace(stopped, save_kimg=7, train_dir="ram://runs")
    for source, target in ((stopped.folder, config.folder), (data_dir, to_path("ram://data"))):
        for file in (f for f in source.rglob("*") if f.is_file()):
            (target / file.relative_to(source)).upload(file)
    resumed = state(run(config, "ram://data", model=straight[1]))
    assert scalars(config.folder) == scalars(straight[0].folder)
    assert json.loads((config.folder / "args" / "args.json").read_text())["data_dir"] == "ram://data"
    assert [nimg for nimg, _ in checkpoint.list_checkpoints(config.folder / "tf")][-1] == 3072
    for name, value in whole.items():
        np.testing.assert_array_equal(resumed[name], value, err_msg=name)


def test_points_beyond_the_last_checkpoint_are_taken_back(straight, whole, stopped, data_dir):
    """As after a kill: reports were written that no checkpoint knows of."""
    config = stopped
    writer = summary.SummaryWriter(config.folder, 1)
    writer.scalars(2, {"gp": 1e6})
    writer.close()
    with next((config.folder / "tf" / "summaries").glob("*tfevents*")).open("ab") as f:
        f.write(b"half a record")
    assert_same_run(config, run(config, data_dir, model=straight[1]), straight, whole)
    lines = (config.folder / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["kimg"] for line in lines] == [1, 1, 2, 2, 3, 3]


def test_a_complete_run_is_left_alone(straight, data_dir, capsys):
    config, _ = straight
    before = scalars(config.folder)
    run(config, data_dir)
    assert "is complete: 3 of 3 kimg" in capsys.readouterr().out
    assert scalars(config.folder) == before


def test_reset_starts_over(stopped, data_dir, capsys):
    shorter = dataclasses.replace(stopped, total_kimg=1)  # which two phases take longer than
    again = run(shorter, data_dir, folder=stopped.folder, reset=True)
    said = capsys.readouterr().out
    assert "at 0 kimg" in said and said.count(f"test images into {stopped.folder / 'preview.png'}") == 1
    assert int(again.g_optimizer_0.iterations) == 64
    assert [kimg for kimg, tag, _ in scalars(stopped.folder) if tag == "gp"] == [1, 2]
    assert [nimg for nimg, _ in checkpoint.list_checkpoints(stopped.folder / "tf")] == [1024, 2048]  # none at 1536


class Killed(BaseException):
    """A process ends here."""


def kill_before(call: int, monkeypatch) -> None:
    """Ends the process, as far as files are concerned, before it renames or removes something for the n-th time."""
    calls = iter(range(call))

    def counted(plain):
        def change(*args, **options):
            if next(calls, None) is None:
                raise Killed
            return plain(*args, **options)

        return change

    for name in ("replace", "rename", "unlink", "remove", "rmdir"):
        monkeypatch.setattr(os, name, counted(getattr(os, name)))


def old_run(folder) -> None:
    for nimg in (1024, 2048):
        path = checkpoint.path_of(folder / "tf", nimg)
        path.mkdir(parents=True)
        (path / "model.index").touch()
        (path / "model.data-00000-of-00001").touch()
    ours = ("args/args.json", "best/args/args.json", "export/saved_model.pb", "metrics.jsonl", "preview.png")
    for name in (*ours, "notes.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_a_reset_killed_at_any_moment_leaves_all_checkpoints_or_none(tmp_path, monkeypatch):
    for call in range(1000):
        folder = tmp_path / f"{call}"
        old_run(folder)
        try:
            with monkeypatch.context() as patched:
                kill_before(call, patched)
                run_folder.forget(folder)
            break
        except Killed:
            assert len(checkpoint.list_checkpoints(folder / "tf")) == (0 if call else 2)
            run_folder.forget(folder)
            assert os.listdir(folder) == ["notes.txt"]
    assert call > 10 and os.listdir(folder) == ["notes.txt"]


def test_a_reset_that_cannot_remove_what_was_there_says_so_and_goes_on_from_nothing(tmp_path, monkeypatch):
    old_run(tmp_path)
    (tmp_path / "tf" / "foreign").touch()
    plain = os.unlink

    def refuse(path, *args, **options):
        if os.path.basename(path) == "foreign":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        plain(path, *args, **options)

    monkeypatch.setattr(os, "unlink", refuse)
    for _ in range(2):
        with pytest.raises(UserError, match=r"cannot remove .*\.tf\.tmp.*: Permission denied"):
            run_folder.forget(tmp_path)
        assert not checkpoint.list_checkpoints(tmp_path / "tf")


def test_a_start_tidies_what_a_killed_reset_left(straight, tmp_path, data_dir, capsys):
    config = dataclasses.replace(straight[0], train_dir=str(tmp_path))
    shutil.copytree(straight[0].folder, config.folder)
    shutil.copytree(config.folder / "tf", config.folder / ".tf.tmp0123")
    run(config, data_dir)
    assert "is complete" in capsys.readouterr().out
    assert not list(config.folder.glob(".tf.tmp*"))


def test_a_run_whose_checkpoints_are_all_damaged_keeps_its_history(stopped, data_dir):
    def files() -> dict[str, bytes]:
        return {str(p): p.read_bytes() for p in stopped.folder.rglob("*") if p.is_file() and p.name != ".lock"}

    for _, path in checkpoint.list_checkpoints(stopped.folder / "tf"):
        path.rename(path.with_name(f"damaged-{path.name}"))
    before = files()
    for _ in range(2):  # as a queue starts it again
        with pytest.raises(UserError, match=r"damaged-ckpt-0000001536 .*--reset"):
            run(dataclasses.replace(stopped, save_kimg=7), data_dir)
        assert files() == before
    run_folder.forget(stopped.folder)
    assert not (stopped.folder / "tf").exists()


def test_an_args_file_that_cannot_be_read_is_no_new_run(stopped, data_dir, monkeypatch):
    path = stopped.folder / "args" / "args.json"
    for content in (b"", b"[]", b"\xff", b'{"lr": '):
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"cannot read .*args\.json"):
            run(stopped, data_dir)
        assert path.read_bytes() == content


def test_a_garbled_line_of_metrics_is_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"kimg": 1}\n\xff\x00\n5\n{"kimg": 2}\n{"kimg": 3}\n{"ki')
    summary.SummaryWriter(tmp_path, 2).close()
    assert [json.loads(line) for line in path.read_text().splitlines()] == [{"kimg": 1}, {"kimg": 2}]


def test_what_was_reported_is_on_the_disk_when_it_was_flushed(tmp_path, monkeypatch):
    flushed, plain = [], os.fsync

    def fsync(handle):
        flushed.append(os.path.basename(os.readlink(f"/proc/self/fd/{handle}")))
        plain(handle)

    with summary.SummaryWriter(tmp_path, None) as writer:
        monkeypatch.setattr(os, "fsync", fsync)
        writer.flush()
        assert "metrics.jsonl" not in flushed
        writer.scalars(1, {"a": 1.0})
        writer.flush()
    assert "metrics.jsonl" in flushed and any("tfevents" in name for name in flushed)


def test_other_parameters_are_refused_by_name(data_dir, tiny_config):
    config = tiny_config(training_kimg=1, transition_kimg=0)
    save_args(config, config.folder, colors=3)
    path = config.folder / "args" / "args.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "seed": 5, "blocks": 3, "save_kimg": 7}))
    with pytest.raises(UserError, match=r"seed was 5, now 0; blocks was 3, now 1") as refused:
        run(config, data_dir)
    assert "save_kimg" not in str(refused.value)
    assert json.loads(path.read_text())["seed"] == 5


def test_a_second_process_is_refused(data_dir, tiny_config):
    config = tiny_config()
    with run_folder.locked(config.folder), pytest.raises(UserError, match="another process"):
        run(config, data_dir)


def test_a_file_system_without_locks_trains_with_a_warning(straight, data_dir, monkeypatch, capsys):
    def flock(*_):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(fcntl, "flock", flock)
    run(straight[0], data_dir)
    said = capsys.readouterr()
    assert "is complete" in said.out and "without locks" in said.err


def test_unwritable_train_dir_is_an_error(data_dir, tiny_config, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write"):
        run(tiny_config(train_dir=str(tmp_path / "file")), data_dir)


def test_bicubic_and_one_colour_train(tmp_path, tiny_config):
    write_images(tmp_path / "mnist-train.tfrecord", blobs(32, size=28, colors=1))
    write_images(tmp_path / "mnist-test.tfrecord", blobs(2, size=28, colors=1))
    config = tiny_config(dataset="mnist", downscaler="bicubic", scale=2, batch=64)
    program.train_and_export(config, config.folder, data_dir=str(tmp_path))
    values = json.loads((config.folder / "metrics.jsonl").read_text().splitlines()[-1])
    assert np.all(np.isfinite(list(values.values())))


def _cut_data(path):
    data = path / "model.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1000])


DAMAGES = {
    "zero-filled index": lambda path: (path / "model.index").write_bytes(b"\0" * 100),
    "zero-filled data": lambda path: (path / "model.data-00000-of-00001").write_bytes(b"\0" * 50000),
    "cut data": _cut_data,
    "missing index": lambda path: (path / "model.index").unlink(),
    "missing data": lambda path: (path / "model.data-00000-of-00001").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_is_put_aside_for_the_one_before(straight, damage, tmp_path, capsys):
    config = straight[0]
    folder = tmp_path / "tf"
    shutil.copytree(config.folder / "tf", folder)
    damage(folder / "ckpt-0000003072")
    other = LAG(config, 3)
    objects = tf.train.Checkpoint(method=other, clock=checkpoint.Clock(0))
    assert checkpoint.Checkpoints(folder, objects).restore_latest() == 2048
    assert int(other.g_optimizer_1.iterations) == 64
    assert "damaged-ckpt-0000003072" in capsys.readouterr().err
    assert (folder / "damaged-ckpt-0000003072").is_dir()


def test_only_damaged_checkpoints_are_an_error(straight, tmp_path):
    folder = tmp_path / "tf"
    shutil.copytree(straight[0].folder / "tf", folder)
    for path in folder.glob("ckpt-*"):
        DAMAGES["missing index"](path)
    objects = tf.train.Checkpoint(method=LAG(straight[0], 3), clock=checkpoint.Clock(0))
    with pytest.raises(UserError, match="--reset"):
        checkpoint.Checkpoints(folder, objects).restore_latest()


def test_a_checkpoint_of_other_networks_is_refused_and_kept(straight, tmp_path):
    folder = tmp_path / "tf"
    shutil.copytree(straight[0].folder / "tf", folder)
    wider = LAG(dataclasses.replace(straight[0], filters=16), 3)
    with pytest.raises(UserError, match="another configuration"):
        checkpoint.Checkpoints(folder, tf.train.Checkpoint(method=wider, clock=checkpoint.Clock(0))).restore_latest()
    assert len(checkpoint.list_checkpoints(folder)) == 3


def test_what_is_not_finite_is_named_and_not_saved(stopped, data_dir):
    class Diverging(Stopping):
        def train_step(self, batch, phase, nimg):
            if nimg == 1600:
                self.projection.stage_1.conv_0.bias.assign(np.full(4, np.nan))
            super().train_step(batch, phase, nimg)

    with pytest.raises(UserError, match=r"dreal was not finite at image 1600.*ckpt-0000001536.*--lr"):
        run(stopped, data_dir, kind=Diverging)
    assert [nimg for nimg, _ in checkpoint.list_checkpoints(stopped.folder / "tf")] == [1024, 1536]


def test_weights_that_are_not_finite_are_not_saved(data_dir, tiny_config):
    class Diverging(Stopping):
        def train_step(self, batch, phase, nimg):
            super().train_step(batch, phase, nimg)
            if nimg == 1024 - 32:
                self.ema.stem.bias.assign([np.inf] * 8)

    config = tiny_config()
    with pytest.raises(UserError, match=r"ema/generator/stem/bias was not finite"):
        run(config, data_dir, kind=Diverging)
    assert not checkpoint.list_checkpoints(config.folder / "tf")


def test_skipped_records_are_reported(tmp_path, tiny_config):
    encoded = [encode_png(image) for image in blobs(40)]
    encoded[3] = encoded[17] = b"no image"
    records.write(tmp_path / "cifar10-train.tfrecord", [records.example(e) for e in encoded])
    write_images(tmp_path / "cifar10-test.tfrecord", blobs(2))
    config = tiny_config(training_kimg=1, transition_kimg=0, total_kimg=1)
    program.train_and_export(config, config.folder, data_dir=str(tmp_path), skip_bad_records=True, export=False)
    values = json.loads((config.folder / "metrics.jsonl").read_text().splitlines()[0])
    assert abs(values["skipped_records"] - 1024 / 38 * 2) <= 2  # two of every forty
    assert ("skipped_records", values["skipped_records"]) in [(tag, value) for _, tag, value in scalars(config.folder)]


def test_a_run_goes_on_with_another_batch(stopped, data_dir):
    other = dataclasses.replace(stopped, batch=64, total_kimg=1)  # to the end of the second phase
    model = run(other, data_dir, folder=stopped.folder)
    assert int(model.g_optimizer_0.iterations) == 48 + 8
    assert json.loads((stopped.folder / "args" / "args.json").read_text())["batch"] == 64


def test_a_run_of_another_method_is_refused_and_kept(straight, data_dir):
    from edsr import EDSR, EDSRConfig
    from libml.compared.trained import load_compared

    config, _ = straight
    before = (config.folder / "args" / "args.json").read_bytes()
    with pytest.raises(UserError, match="one of LAG, not of EDSR"):
        load_compared(EDSR, config.folder)
    other = EDSRConfig(dataset="cifar10", scale=4, filters=4, repeat=1, total_kimg=1)
    images = Images(lookup("cifar10"), data_dir)
    with pytest.raises(UserError, match="one of LAG, not of EDSR"):
        loop.train(EDSR(other, 3, 32), other, config.folder, images, None)
    assert (config.folder / "args" / "args.json").read_bytes() == before


def test_candidates_of_a_run(straight, data_dir):
    config, model = straight
    trained = load_trained(config.folder)
    assert trained.config == config
    sampler = trained.sampler()
    for a, b in zip(sampler.generator.variables, model.ema.variables, strict=True):
        np.testing.assert_array_equal(a, b)
    hires = Images(lookup("cifar10"), data_dir).test_images([3, 5])
    stds = candidate_stds(3)
    np.testing.assert_array_equal(stds, [0, 0.5, 1])
    picture = candidates_grid(sampler, hires, "average", stds, 0, [3, 5])
    assert picture.shape == (64, 5 * 32, 3)
    np.testing.assert_array_equal(picture[:32, :32], hires[0])
    alone = candidates_grid(sampler, hires[1:], "average", stds, 0, [5])
    np.testing.assert_allclose(alone, picture[32:], atol=1e-5)
    first, second = (
        picture[:32, 96:128],
        candidates_grid(sampler, hires[:1], "average", stds, 1, [3])[:, 96:128],
    )
    assert np.any(np.abs(first - second) > 1e-3)
    assert list(candidate_stds(1)) == [0]


def test_a_run_that_passes_over_records_goes_on_where_it_was(tmp_path):
    """Pictures of other channels and records that are no image take places in the data, but none in batches."""
    images = [encode_png(image) for image in blobs(37)]
    images[5], images[20] = encode_png(blobs(1, colors=1)[0]), b"no image"
    records.write(tmp_path / "cifar10-train.tfrecord", [records.example(image) for image in images])
    write_images(tmp_path / "cifar10-test.tfrecord", blobs(2))
    images, models = Images(lookup("cifar10"), tmp_path, skip_bad_records=True), []
    for name, stops in (("straight", (None,)), ("stopped", (448, None))):
        options = {"dataset": "cifar10", "batch": 64, "training_kimg": 1, "save_kimg": 1, "report_kimg": 1, "scale": 2}
        config = LAGConfig(**{**TINY, **options, "train_dir": str(tmp_path / name)})
        for stop_at in stops:
            models.append(model := Stopping(config, 3))
            model.stop_at = stop_at
            preview = Preview(sampling.PhaseSamplers(model), config, images.test_images(limit=2))
            with contextlib.suppress(Interrupted):
                loop.train(model, config, config.folder, images, preview)
    whole, _, resumed = map(state, models)
    for name, value in whole.items():
        np.testing.assert_array_equal(resumed[name], value, err_msg=name)
