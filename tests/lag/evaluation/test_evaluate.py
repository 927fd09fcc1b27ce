"""Reports on runs, from methods of known behaviour and from run folders."""

import csv
import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from lag.any_method import method_of
from lag.evaluation import evaluate as evaluation
from lag.evaluation import measures, report
from lag.evaluation.measure import UP, Measure
from lag.evaluation.methods import LoadedRun, bicubic, load_runs, nearest
from lag.evaluation.pairs import load_pairs
from lag.evaluation.records import as_csv, as_json
from lag.evaluation.seen import Halves, PerImage, PerInput, PerSet
from lag.evaluation.tables import Report, as_markdown
from lag.evaluation.yardsticks import Yardsticks, load_yardsticks
from lag.figures import scatter
from libml.errors import UserError
from libml.images import to_float, to_uint8
from libml.layers.resample import DOWNSCALERS
from libml.metrics import efficientnet, fid, lite0, manifolds, swd
from libml.metrics.bootstrap import Blocked
from libml.sampler import CandidateSampler
from libml.training.checkpoint import Checkpoints
from libml.training.run_folder import save_args
from tests.support.images import TINY, blobs, write_images
from tests.support.programs import mistake, start
from tests.support.untrained import untrained_run

FILES = ("report.md", "report.json", "report.csv", "tradeoff.png", "images.png")
NOT_ALIKE = ("report.html", "speed.csv")  # they say how long it took


class Shifted(CandidateSampler):
    """The truth, plus a shift in grey levels that depends on the noise, the place of the sample and the image."""

    stochastic = True

    def __init__(self, hires):
        self._hires = to_float(hires)

    def candidates(self, lores, stds, seed, indices, first=0):
        shift = [
            [std * 2 / 255 * (4 * place + index % 2) for place, std in enumerate(stds, first)] for index in indices
        ]
        return (self._hires[indices][:, None] + np.array(shift)[..., None, None, None]).astype(np.float32)


class Broken(Shifted):
    def candidates(self, *arguments):
        return super().candidates(*arguments) * np.nan


@pytest.fixture(scope="module")
def methods(run):
    return load_runs([str(run)], batch=16)


@pytest.fixture(scope="module")
def pairs(methods, data_dir):
    return load_pairs("cifar10", data_dir, 7, methods[0], batch=4)


NO_YARDSTICKS = Yardsticks(
    None, "", None, None, {"critic": "no critic", "inception": "no weights", "lite0": "no package"}
)


def measured(source, pairs, samples=3, batch=4):
    method = LoadedRun("Shifted", source, "run", None, 3, 0)
    rows, skipped, _ = evaluation.evaluate([method], pairs, NO_YARDSTICKS, samples, 0, batch)
    return {(row.label, row.std): row for row in rows}, skipped


@pytest.fixture
def only(monkeypatch):
    """Leaves out all measures but some, which takes less time."""
    every = measures.MEASURES
    return lambda *keys: monkeypatch.setattr(measures, "MEASURES", [m for m in every if m.key in keys])


@pytest.fixture(scope="module")
def known(pairs):
    """(images of which no shift is cut off at black or white, rows of a method of known error, what was skipped)."""
    hires = 40 + pairs.hires // 2
    pairs = pairs._replace(hires=hires, lores=DOWNSCALERS["average"](tf.constant(to_float(hires)), 4).numpy())
    return pairs, *measured(Shifted(hires), pairs)


@pytest.fixture(scope="module")
def of_truth(pairs):
    """The rows of a method that shifts the truth, measured all at once."""
    return measured(Shifted(pairs.hires), pairs, batch=7)[0]


def test_rows_of_a_method_of_known_error(known):
    pairs, rows, skipped = known
    hires = pairs.hires
    assert list(rows) == [("nearest", 0.0), ("bicubic", 0.0), *(("Shifted", s) for s in (0.0, 0.25, 0.5, 0.75, 1.0))]
    center = rows["Shifted", 0.0]
    assert center.samples == 1 and center.values["psnr"] == 100 and center.values["rmse"] == 0
    assert center.values["ssim"] == pytest.approx(1)
    # Not 0: the patches of each set have places of their own.
    assert center.values["swd"] < 0.6 * rows["nearest", 0.0].values["swd"]
    assert "diversity" not in center.values
    noisy = rows["Shifted", 1.0]
    shifts = np.array([[0, 4, 8], [1, 5, 9], [0, 4, 8], [1, 5, 9], [0, 4, 8], [1, 5, 9], [0, 4, 8]])
    assert noisy.samples == 3
    assert noisy.values["rmse"] == pytest.approx(np.sqrt(np.mean(shifts**2)), rel=1e-4)
    assert noisy.values["lr_error"] == pytest.approx(shifts.mean(), rel=1e-3)
    assert noisy.values["lr_error_8bit"] == pytest.approx(shifts.mean(), rel=1e-3)
    assert noisy.values["diversity"] == pytest.approx((4 + 4 + 8) / 3)
    assert noisy.values["space_score"] == pytest.approx(0, abs=1e-4)  # one sample is the best everywhere
    assert skipped["fid"] == "no weights" and "161 pixels" in skipped["ms_ssim"]
    np.testing.assert_array_equal(noisy.shown[:2], hires[:2] + np.uint8([0, 1])[:, None, None, None])


def test_spread_of_a_method_of_known_error(known, only):
    pairs, rows, _ = known
    shifts = 4 * np.arange(3) + np.array([0, 1, 0, 1, 0, 1, 0])[:, None]  # |x - G|; samples are 4, 4 and 8 apart
    row = rows["Shifted", 1.0]
    assert row.values["energy_score"] == pytest.approx(shifts.mean() - 16 / 3 / 2)
    assert row.values["spread"] == pytest.approx(16 / 3 / shifts.mean())
    gain = 10 * np.log10(np.mean(shifts**2) / np.mean(shifts.mean(axis=1) ** 2))
    assert row.values["mean_gain"] == pytest.approx(gain)
    assert row.values["mean_gain_ideal"] == pytest.approx(10 * np.log10(6 / 4))
    # 3 of 7 images add 1 to |x - G|, none to |G - G'|.
    assert row.errors["energy_score"] == pytest.approx(np.sqrt(3 / 7 * 4 / 7 / 7), rel=0.2)
    assert row.errors["diversity"] == pytest.approx(0, abs=1e-9)
    center, nearest = (rows[key].values for key in (("Shifted", 0.0), ("nearest", 0.0)))
    assert center["energy_score"] == 0 and "spread" not in center and "mean_gain" not in center
    sides = pairs.hires.astype(float) - to_uint8(pairs.lores).repeat(4, axis=1).repeat(4, axis=2)
    assert nearest["energy_score"] == pytest.approx(np.sqrt(np.square(sides).mean((1, 2, 3))).mean())
    only("energy_score")
    assert "energy_score" not in measured(Shifted(pairs.hires), pairs, samples=1)[0]["Shifted", 1.0].values


def test_sets_are_measured_over_all_samples_and_over_chance(pairs):
    pairs = pairs._replace(hires=40 + pairs.hires // 2)
    rows, _ = measured(Shifted(pairs.hires), pairs, samples=2)
    row, truth = rows["Shifted", 1.0], pairs.hires
    shifts = np.uint8([0, 1, 0, 1, 0, 1, 0])[:, None, None, None]
    each = [swd.distances([truth + shifts + np.uint8(4 * k)], truth, swd.seed_of(0)) for k in range(2)]
    for size in (32, 16):
        assert row.values[f"swd_{size}"] == pytest.approx(np.mean([found[size].value for found in each]), rel=1e-4)
    assert row.values["swd"] == pytest.approx((row.values["swd_32"] + row.values["swd_16"]) / 2)
    assert rows["Shifted", 0.0].values["swd_over_chance"] == pytest.approx(0, abs=1e-9)  # the truth itself
    halves = Halves(truth, 0)
    a, b = halves.sides
    assert sorted([*a, *b]) == sorted({*a, *b}) and len(a) == len(b) == 3  # one of seven is left over
    samples = [truth + shifts + np.uint8(4 * k) for k in range(2)]
    crossed = [swd.sliced_wasserstein(samples[0][a], truth[b], swd.seed_of(0))]
    crossed.append(swd.sliced_wasserstein(samples[1][b], truth[a], swd.seed_of(0)))
    by_chance = swd.sliced_wasserstein(truth[a], truth[b], swd.seed_of(0))
    expected = np.mean([list(found.values()) for found in crossed]) - np.mean(list(by_chance.values()))
    assert row.values["swd_over_chance"] == pytest.approx(expected, rel=1e-4)
    assert halves.by_chance == pytest.approx(by_chance)
    assert row.errors["swd"] > 0 and row.errors["swd"] < row.values["swd"]
    assert rows["Shifted", 0.0].values["band_32"] == pytest.approx(1) == rows["Shifted", 0.0].values["band_16"]
    assert rows["nearest", 0.0].values["band_32"] != pytest.approx(1, abs=0.05)


def test_nearest_agrees_with_its_input(of_truth):
    values = of_truth["nearest", 0.0].values
    assert values["lr_error"] < 1e-4 and values["lr_psnr"] > 99
    assert 0 < values["lr_error_8bit"] <= 0.5
    assert of_truth["bicubic", 0.0].values["lr_error"] > 0.1


def test_chunks_change_nothing(pairs, of_truth):
    for key, row in measured(Shifted(pairs.hires), pairs, batch=3)[0].items():
        assert row.values == pytest.approx(of_truth[key].values, rel=1e-5)


class Watched(Shifted):
    """Notes how many images are made at a time."""

    def candidates(self, lores, stds, *arguments):
        self.made = [*getattr(self, "made", []), len(lores) * len(stds)]
        return super().candidates(lores, stds, *arguments)


def test_no_more_images_than_a_batch_are_made_at_a_time(pairs, only):
    only("rmse", "diversity")
    hires = 40 + pairs.hires // 2
    pairs = pairs._replace(hires=hires)
    few, many = Watched(hires), Watched(hires)
    measured(few, pairs, samples=2)
    row = measured(many, pairs, samples=9)[0]["Shifted", 1.0]
    assert max(few.made) == max(many.made) == 4
    shifts = 4 * np.arange(9) + np.array([0, 1, 0, 1, 0, 1, 0])[:, None]
    assert row.values["rmse"] == pytest.approx(np.sqrt(np.mean(shifts**2)), rel=1e-4)
    apart = [4 * abs(i - j) for i in range(9) for j in range(i)]
    assert row.values["diversity"] == pytest.approx(np.mean(apart))


def test_images_that_are_not_finite_are_named(pairs):
    with pytest.raises(UserError, match="Shifted makes images that are not finite"):
        measured(Broken(pairs.hires), pairs)


def test_enlargements(pairs):
    large = nearest(4).candidates(pairs.lores, [0.0], 0, pairs.indices)
    assert large.shape == (7, 1, 32, 32, 3)
    np.testing.assert_array_equal(large[:, 0, ::4, ::4], pairs.lores)
    flat = np.full([1, 4, 4, 1], 0.25, np.float32)
    np.testing.assert_allclose(bicubic(4).candidates(flat, [0.0], 0, [0]), 0.25, atol=1e-6)


def test_latent_distance_is_the_critics(run, methods, pairs, monkeypatch, only):
    only("diversity_latent")
    monkeypatch.setattr(efficientnet, "package_file", lambda: None)
    yardsticks = load_yardsticks(methods, "", "", batch=4)
    assert yardsticks.critic_run == str(run) and "not here" in yardsticks.missing["inception"]
    rows, *_ = evaluation.evaluate(methods, pairs, yardsticks, 2, 0, batch=4)
    (row,) = (r for r in rows if r.std == 1.0)
    made = methods[0].sampler.candidates(pairs.lores, [1.0, 1.0], 0, pairs.indices)
    clipped = np.rint((np.clip(made, -1, 1) + 1) * 127.5) / 127.5 - 1
    first, second = (yardsticks.critic.project(clipped[:, i].astype(np.float32), pairs.lores) for i in (0, 1))
    expected = np.sqrt(np.square(first - second).mean((1, 2, 3))).mean()
    assert row.values["diversity_latent"] == pytest.approx(expected, rel=1e-4)
    no_lag = [LoadedRun("Shifted", Shifted(pairs.hires), "run", None, 3, 0)]
    assert "--critic" in load_yardsticks(no_lag, "", "", batch=4).missing["critic"]


def test_halves_of_the_truth(pairs):
    one, again, other = (Halves(pairs.hires, seed).by_chance for seed in (0, 0, 1))
    assert one == again != other
    assert one[32] > 0 and one[16] > 0


class Means:
    """In the place of a network: means of pixels."""

    def __init__(self, count):
        self.count, self.activated = count, 0

    def features(self, images):
        return images.reshape(len(images), self.count, -1).mean(-1)

    def activations(self, images):
        self.activated += len(images)
        return [images[:, : 8 * side : 8, : 8 * side : 8] / 255 for side in (4, 2, 1)]


def test_features_give_distances_named_after_their_network(pairs, only):
    """More features than the 128 directions that some distances are of."""
    only(*(m.key for m in measures.MEASURES if m.needs))
    yardsticks = Yardsticks(None, "", Means(16), Means(256), {"critic": "no critic"})
    method = [LoadedRun("Shifted", Shifted(pairs.hires), "run", None, 3, 0)]
    rows, skipped, _ = evaluation.evaluate(method, pairs, yardsticks, 2, 0, batch=4)
    values = {(row.label, row.std): row.values for row in rows}
    assert values["Shifted", 0.0]["fid"] == pytest.approx(0, abs=1e-2) and "fid" not in skipped
    assert values["nearest", 0.0]["fid"] > 0.1 and np.isfinite(values["nearest", 0.0]["kid"])
    truth = Means(256).features(pairs.hires)
    for label in ("nearest", "Shifted"):
        made = {"Shifted": pairs.hires, "nearest": to_uint8(pairs.lores).repeat(4, axis=1).repeat(4, axis=2)}[label]
        features, row = Means(256).features(made), values[label, 0.0]
        assert row["kid_lite0"] == pytest.approx(fid.kernel_distance(features, truth, 0), rel=1e-6)
        expected = fid.frechet_distance(lite0.projected(features), lite0.projected(truth))
        assert row["fd_lite0"] == pytest.approx(expected, rel=1e-6, abs=1e-9)
        for name, number in manifolds.manifolds(features, truth)._asdict().items():
            assert row[f"{name}_lite0"] == number
    center = values["Shifted", 0.0]
    assert center["precision_lite0"] == center["recall_lite0"] == center["coverage_lite0"] == 1
    few = evaluation.evaluate(method, pairs.part(0, 5), yardsticks, 2, 0, batch=4)
    assert few[1]["recall_lite0"] == "it needs 6 images and more, these are 5" and "fd_lite0" in few[0][0].values


def test_feature_distances_of_samples_are_of_the_first_inputs(pairs, monkeypatch):
    network = Means(128)
    yardsticks = Yardsticks(None, "", None, network, {"critic": "no critic", "inception": "no weights"})
    few = [m for m in measures.MEASURES if m.key in ("diversity_lite0", "space_score_lite0")]
    monkeypatch.setattr(lite0, "SIDES", (4, 2, 1))
    monkeypatch.setattr(measures, "MEASURES", [dataclasses.replace(m, inputs=5) for m in few])
    source = Shifted(40 + pairs.hires // 2)
    method = [LoadedRun("Shifted", source, "run", None, 3, 0)]
    for batch in (2, 3, 100):
        rows, *_ = evaluation.evaluate(method, pairs, yardsticks, 3, 0, batch=batch)
        samples = to_uint8(source.candidates(pairs.lores[:5], [1.0] * 3, 0, range(5)))
        found = [Means(0).activations(s) for s in samples]
        expected = np.mean([lite0.pairwise_distance(stages) for stages in found])
        assert rows[-1].values["diversity_lite0"] == pytest.approx(expected, rel=1e-6)
        maps = [lite0.distance_maps(f, Means(0).activations(x[None])) for f, x in zip(found, pairs.hires, strict=False)]
        expected = np.mean([100 * (1 - m.min(0).mean() / m.mean((1, 2)).min()) for m in maps])
        assert rows[-1].values["space_score_lite0"] == pytest.approx(expected, rel=1e-6)
    assert network.activated == 3 * (4 * 5 * 3 + 5)  # of each evaluation: the samples of four rows, each truth once


def test_ranks_are_by_the_distance_to_the_image_without_noise(pairs, only):
    """The truth is 3 grey levels from the centre; the samples are 0, 4, 8 or 1, 5, 9 from it."""
    only("truth_rank", "miscalibration", "nearest_sample")
    pairs = pairs._replace(hires=40 + pairs.hires // 2)
    rows, _ = measured(Shifted(pairs.hires), pairs._replace(hires=pairs.hires - 3))
    row = rows["Shifted", 1.0]
    np.testing.assert_allclose(row.means["truth_rank"], [0, 1, 0, 0])
    assert row.values["truth_rank"] == pytest.approx(1 / 3)
    assert row.values["miscalibration"] == pytest.approx((1 / 4 + 2 / 4 + 1 / 4) / 3)
    np.testing.assert_allclose(row.means["nearest_sample"], [3 + 3 / 7] * 3)
    assert row.values["nearest_sample"] == pytest.approx(3 + 3 / 7)
    assert "truth_rank" not in rows["Shifted", 0.0].values


def test_methods_are_known_by_their_parameters_or_the_name_of_the_folder(tmp_path):
    assert method_of(tmp_path / "SRGAN2_batch16", {}) == "SRGAN2" and method_of(f"{tmp_path}/cGAN_lr1/", {}) == "cGAN"
    assert method_of(tmp_path / "renamed", {"method": "EDSR"}) == "EDSR"
    with pytest.raises(UserError, match="SRGAN3 is the name of no method"):
        method_of(tmp_path / "SRGAN3_batch16", {})


def test_a_run_called_as_plain_enlargement_has_a_label_of_its_own(tmp_path):
    named = untrained_run(tmp_path, kimgs=(1,), name="bicubic")
    assert [run.label for run in load_runs([str(named)], batch=4)] == ["bicubic 2"]


def test_runs_that_cannot_be_compared(run, tmp_path, data_dir):
    labels = [m.label for m in load_runs([str(run), str(run)], batch=4)]
    assert labels == ["LAG 1", "LAG 2"]
    for other, what in (({"scale": 2}, "scale"), ({"downscaler": "bicubic"}, "downscaler"), ({"colors": 1}, "colours")):
        unlike = untrained_run(tmp_path / what, kimgs=(1,), **other)
        with pytest.raises(UserError, match=f"different {what}"):
            load_runs([str(run), str(unlike)], batch=4)
        with pytest.raises(UserError, match=f"different {what}"):
            load_yardsticks(load_runs([str(run)], 4), str(unlike), "", batch=4)
    grey = load_runs([str(unlike)], batch=4)[0]
    with pytest.raises(UserError, match="3 colour channels"):
        load_pairs("cifar10", data_dir, 2, grey, batch=4)


def test_one_test_image_is_too_few(methods, tmp_path):
    with pytest.raises(UserError, match=r"no test files of cifar10: looked for .*cifar10-test"):
        load_pairs("cifar10", tmp_path, 7, methods[0], batch=4)
    write_images(tmp_path / "cifar10-test.tfrecord", blobs(1))
    with pytest.raises(UserError, match="at least 2 test images, found 1"):
        load_pairs("cifar10", tmp_path, 7, methods[0], batch=4)


def test_compared_methods(run, tmp_path, pairs, only):
    import edsr

    only("rmse")

    config = edsr.EDSRConfig(**{k: TINY[k] for k in ("scale", "filters")}, repeat=1, train_dir=str(tmp_path))
    model = edsr.EDSR(config, 3, 32)
    save_args(config, config.folder, colors=3)
    Checkpoints(config.folder / "tf", tf.train.Checkpoint(method=model)).save(1024)
    methods = load_runs([str(config.folder), str(run)], batch=4)
    assert [(m.label, m.sampler.stochastic, m.nimg) for m in methods] == [("EDSR", False, 1024), ("LAG", True, 3072)]
    rows, *_ = evaluation.evaluate(methods[:1], pairs, NO_YARDSTICKS, 2, 0, batch=4)
    assert [(row.label, row.std) for row in rows[2:]] == [("EDSR", 0.0)]
    made = model.generator(pairs.lores, training=False).numpy()
    np.testing.assert_allclose(
        methods[0].sampler.candidates(pairs.lores, [0.0], 0, pairs.indices)[:, 0], made, atol=1e-5
    )


@pytest.fixture(scope="module")
def found(methods, pairs):
    rows, skipped, _ = evaluation.evaluate(methods, pairs, NO_YARDSTICKS, 2, 0, batch=4)
    return Report("cifar10", 9, 2, 0, "", pairs, methods, rows, skipped, {32: 12.0, 16: 34.5})


def test_tables(found):
    text = as_markdown(found)
    assert "N = 7 test images (9 were asked for" in text and "| LAG | 0.25 |" in text
    assert "SWD 32 12.00, SWD 16 34.50" in text and "LPIPS" in text and "- No FID, KID x 1000: no weights." in text
    for line in text.splitlines():
        if line.startswith("| nearest"):
            assert line.count("|") == text.splitlines()[text.splitlines().index(line) - 1].count("|")
    rows = as_json(found)["rows"]
    assert rows[0]["fid"] is None and rows[0]["psnr"] > 10 and rows[-1]["noise"] == 1


def test_picture_of_images(found):
    page = report.images(found)
    shown = [found.pairs.hires, *(row.shown for row in found.rows if row.std in (0.0, 1.0))]
    for i in (0, 6):
        cells = [images[i].repeat(3, axis=0).repeat(3, axis=1) for images in shown]  # small ones: larger pixels
        top = next(y for y in range(len(page) - 95) if contains(page[y : y + 96], cells[0]))
        assert all(contains(page[top : top + 96], cell) for cell in cells)


def contains(strip, cell):
    return any(np.array_equal(strip[:, x : x + 96], cell) for x in range(strip.shape[1] - 95))


def test_scatter():
    assert scatter.ticks(0.3, 3.9) == [0, 1, 2, 3, 4]
    assert scatter.ticks(26.2, 140)[0] <= 26.2 and scatter.ticks(26.2, 140)[-1] >= 140
    curve = scatter.Curve("one", [(1.0, 5.0), (2.0, 3.0)], ["0", ""])
    page = scatter.scatter("title", "x", "y", [curve, scatter.Curve("alone", [(1.0, 5.0)], [""])])
    assert page.shape == (scatter.HEIGHT, scatter.WIDTH, 3)
    for color in scatter.COLORS[:2]:
        assert np.any(np.all(page == color, axis=-1))
    assert not np.any(np.all(page == scatter.COLORS[2], axis=-1))
    alone = scatter.scatter("title", "x", "y", [scatter.Curve("alone", [(1.0, 5.0)], [""])])
    assert np.any(np.all(alone == scatter.COLORS[0], axis=-1))


def test_twice_from_the_command_line(run, tmp_path, monkeypatch):
    data_dir = tmp_path / "data"
    write_images(data_dir / "cifar10-test.tfrecord", blobs(3))  # training images are not asked for
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))  # no weights there
    command = ["scripts/evaluate.py", f"--run={run}", f"--data_dir={data_dir}", "--images=5", "--samples=2"]
    command += ["--nolite0"]
    for flag, folder in (("out", "one"), ("output", "other")):
        done = start(*command, f"--{flag}={tmp_path}/{folder}", alone=folder == "one")
        assert done.returncode == 0, done.stderr
        assert "report.md: 7 rows, 3 images, which are all that cifar10 has of --images=5\n" in done.stdout
        assert "recommended noise of LAG: not recorded, 3 images are too few to tell: it takes 16\n" in done.stdout
        assert "FD-Lite0: --nolite0 leaves EfficientNet-Lite0 out\n" in done.stdout
        assert "skipped FID, KID" in done.stdout and "Downloading" not in done.stdout + done.stderr
        assert "LAG, noise 0: 9 of 21 images\n" in done.stderr  # no terminal: a line at each tenth
        assert not (tmp_path / "keras" / "models").exists()
    for name in FILES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()
    assert sorted(p.name for p in (tmp_path / "one").iterdir()) == sorted((*FILES, *NOT_ALIKE))
    content = json.loads((tmp_path / "one" / "report.json").read_text())
    assert content["images"] == 3 and content["images_asked"] == 5 and content["critic"] == str(run)
    assert [row["noise"] for row in content["rows"]] == [0, 0, 0, 0.25, 0.5, 0.75, 1]
    assert "FD-Lite0: --nolite0 leaves EfficientNet-Lite0 out.\n" in (tmp_path / "one" / "report.md").read_text()
    with open(tmp_path / "one" / "report.csv") as file:
        lines = list(csv.DictReader(file))
    assert [float(line["psnr"]) for line in lines] == [row["psnr"] for row in content["rows"]]
    assert lines[0]["fid"] == "" and float(lines[-1]["diversity_latent"]) > 0
    assert Image.open(tmp_path / "one" / "images.png").size[0] > 6 * 96


def test_all_images_are_saved_for_other_tools(run, data_dir, tmp_path):
    command = ["scripts/evaluate.py", f"--run={run}", f"--data_dir={data_dir}", "--images=2", "--samples=2"]
    command.append("--noise=0.6,0.3")
    done = start(*command, f"--output={tmp_path}", "--save_images")
    assert done.returncode == 0, done.stderr
    folders = {str(p.parent.relative_to(tmp_path / "pictures")) for p in (tmp_path / "pictures").rglob("*.png")}
    noisy = {f"LAG_noise{std}/sample{i}" for std in ("0.3", "0.6") for i in (0, 1)}
    assert folders == {"truth", "nearest_noise0", "bicubic_noise0", "LAG_noise0"} | noisy
    content = json.loads((tmp_path / "report.json").read_text())
    assert (content["rows"][0]["fd_lite0"] is None) == (efficientnet.package_file() is None)
    page = (tmp_path / "report.html").read_text()  # which shows the strongest noise
    assert "Calibration at noise 0.6" in page and "Nearest sample at noise 0.6" in page and "LAG, 0.6" in page
    assert Image.open(tmp_path / "images.png").size[0] > 6 * 96  # HR, LR, two enlargements, the centre, a sample
    truth, made = (
        np.stack([np.asarray(Image.open(tmp_path / "pictures" / name / f"00000{i}.png"), float) for i in range(2)])
        for name in ("truth", "bicubic_noise0")
    )
    assert np.sqrt(np.square(truth - made).mean()) == pytest.approx(content["rows"][1]["rmse"], rel=1e-4)
    assert "is there already" in mistake(*command, f"--output={tmp_path}", "--save_images")


def test_mistakes(run, data_dir, tmp_path):
    assert "no run folder" in mistake("scripts/evaluate.py", f"--run={tmp_path}")
    (tmp_path / "file").touch()
    assert f"{tmp_path}/file is in the way, and no folder" in mistake(
        "scripts/evaluate.py", f"--run={run}", f"--data_dir={data_dir}", f"--output={tmp_path}/file"
    )
    assert "--samples=0 must be" in mistake("scripts/evaluate.py", f"--run={run}", "--samples=0")
    for noise in ("0,1", "half", "nan", "inf", ""):
        words = f"--noise={noise} must be numbers above 0, as 0.5,1"
        assert words in mistake("scripts/evaluate.py", f"--run={run}", f"--noise={noise}")


def keys_cubic(t):
    """The cubic convolution of Keys (1981), a = -1/2."""
    t = np.abs(t)
    return np.where(t <= 1, 1.5 * t**3 - 2.5 * t**2 + 1, np.where(t < 2, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2, 0))


def test_the_bicubic_row_is_bicubic(pairs, of_truth):
    """Away from the border, where two LR pixels on each side are weighed."""
    weights = keys_cubic((np.arange(32)[:, None] + 0.5) / 4 - (np.arange(8) + 0.5))
    expected = np.einsum("ih,nhwc,jw->nijc", weights, pairs.lores, weights)
    expected = np.clip(np.rint((expected + 1) * 127.5), 0, 255)[:, 8:24, 8:24]
    shown = of_truth["bicubic", 0.0].shown[:, 8:24, 8:24].astype(float)
    assert np.max(np.abs(shown - expected)) <= 1 and np.mean(shown == expected) > 0.99
    np.testing.assert_array_equal(of_truth["nearest", 0.0].shown[:, ::4, ::4], to_uint8(pairs.lores))


@pytest.mark.parametrize("downscaler", ["bicubic", "antialias"])
def test_agreement_is_with_the_runs_own_downscaling(downscaler, tmp_path, data_dir, only):
    only("lr_error", "lr_error_8bit", "lr_psnr")
    method = load_runs([str(untrained_run(tmp_path, downscaler=downscaler))], batch=4)[0]
    pairs = load_pairs("cifar10", data_dir, 4, method, batch=3)
    assert pairs.downscaler == downscaler
    by_boxes = to_float(pairs.hires).reshape(4, 8, 4, 8, 4, 3).mean((2, 4))
    apart = 127.5 * np.abs(by_boxes - pairs.lores).mean()
    assert apart > 0.2
    rows, _ = measured(Shifted(pairs.hires), pairs)
    values = rows["Shifted", 0.0].values  # the truth itself
    assert values["lr_error"] < 0.01 and values["lr_error_8bit"] < 0.01 and values["lr_psnr"] > 80
    assert rows["nearest", 0.0].values["lr_error"] > 0.1


def test_a_plot_grows_to_the_right_and_upwards():
    page = scatter.scatter("", "x", "y", [scatter.Curve("", [(v, 10 * v)], [""]) for v in (1.0, 3.0)])
    plot = page[:, : scatter.WIDTH - scatter.RIGHT + 20]  # without the legend
    (y_low, x_low), (y_high, x_high) = (
        np.argwhere(np.all(plot == color, axis=-1)).mean(0) for color in scatter.COLORS[:2]
    )
    assert x_low < x_high - 100 and y_low > y_high + 100


def test_kid_is_shown_in_thousandths(found):
    first = found.rows[0]
    rows = [first._replace(values={**first.values, "kid": 0.0123}), *found.rows[1:]]
    lines = as_markdown(found._replace(rows=rows)).splitlines()
    (header,) = (i for i, line in enumerate(lines) if line.startswith("| method") and "KID" in line)
    assert lines[header + 2].split("|")[-2].strip() == "**12.30**"
    assert as_json(found._replace(rows=rows))["rows"][0]["kid"] == 0.0123


def test_numbers_in_files_have_six_digits(found):
    rows = [found.rows[0]._replace(values={"psnr": 12.3456789, "rmse": 1234567.8, "swd_32": 1.0})]
    record = as_json(found._replace(rows=rows))["rows"][0]
    assert (record["psnr"], record["rmse"]) == (12.3457, 1234570.0)


def test_the_tradeoff_has_distortion_across_and_realism_upwards(found, monkeypatch):
    plots = []
    monkeypatch.setattr(report, "scatter", lambda *args: plots.append(args))
    report.tradeoff(found)
    ((_, x_label, y_label, curves),) = plots
    assert (x_label, y_label) == ("RMSE (grey levels)", "SWD mean")
    assert [c.label for c in curves] == ["nearest", "bicubic", "LAG"]
    assert curves[-1].points == [(row.values["rmse"], row.values["swd"]) for row in found.rows[2:]]
    assert curves[-1].notes == ["0", "", "", "", "1"]


def test_a_measure_is_one_row(methods, pairs, monkeypatch):
    """Computed, kept image by image, and shown, each as its row says; left out where the row says so."""
    shown = {"better": UP, "group": "Own", "digits": 1, "meaning": "what it is"}
    levels = {8: Blocked(1.0, np.array([0.0, 2.0])), 4: Blocked(2.0, np.array([1.0, 5.0]))}
    added = (
        Measure("bright", "brightness", sees=PerImage, compute=lambda seen: seen.saved.mean((1, 2, 3)), **shown),
        Measure("count", "count", sees=PerInput, compute=lambda seen: len(seen.saved), factor=10, **shown),
        Measure("root", "root", sees=PerInput, compute=lambda _: 9.0, of_mean=np.sqrt, **shown),
        Measure("apart", "apart", sees=PerSet, compute=lambda _: levels, levels="level", **shown),
        Measure("large", "large", sees=PerSet, compute=lambda _: 1 / 0, least_side=33, **shown),
        Measure("learnt", "learnt", sees=PerSet, compute=lambda _: 1 / 0, needs="inception", **shown),
    )
    monkeypatch.setattr(measures, "MEASURES", added)
    rows, skipped, _ = evaluation.evaluate(methods, pairs, NO_YARDSTICKS, 2, 0, batch=4)
    plain, noisy = rows[0], rows[-1]
    assert list(plain.means) == ["bright"] and noisy.means["count"] == 2
    assert noisy.values["bright"] == noisy.means["bright"]
    assert plain.values["bright"] == pytest.approx(np.repeat(np.repeat(to_uint8(pairs.lores), 4, 1), 4, 2).mean())
    assert noisy.values["root"] == 3 and noisy.values["apart"] == 1.5
    assert noisy.errors["apart_8"] == pytest.approx(1) and noisy.errors["apart"] == pytest.approx(1.5)
    assert skipped == {"large": "it needs images of 33 pixels and more, these have 32", "learnt": "no weights"}
    found = Report("cifar10", 7, 2, 0, "", pairs, methods, rows, skipped, {})
    lines = as_markdown(found).splitlines()
    table = lines[lines.index("## Own") + 2 :]
    names = ["brightness", "count", "root", "level 8", "level 4", "apart", "large", "learnt"]
    assert table[0] == f"| method | noise | {' | '.join(f'{name} ↑' for name in names)} |"
    assert (
        table[-1 + 2 + len(rows)]
        .replace("**", "")
        .endswith(" | 20.0 ± 0.0 | 3.0 ± 0.0 | 1.0 ± 1.0 | 2.0 ± 2.0 | 1.5 ± 1.5 | - | - |")
    )
    keys = ["bright", "count", "root", "apart_8", "apart_4", "apart", "large", "learnt"]
    titles = ["method", "noise", "samples", *(name for key in keys for name in (key, f"{key}_error"))]
    assert as_csv(found).splitlines()[0].split(",") == titles
    assert as_json(found)["rows"][-1]["apart_error"] == pytest.approx(1.5)
