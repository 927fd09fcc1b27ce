"""Folders of results: what is done already, what is in the way, and what files are called."""

import csv
import json
import os
import shutil
import time

import numpy as np
import pytest
from PIL import Image

from lag.upscaling import file_results, one_picture, shards
from lag.upscaling import folder as upscale_folder
from lag.upscaling import results as results_table
from lag.upscaling.choosing import Options
from lag.upscaling.folder import upscale_all
from lag.upscaling.one_picture import calls, upscale
from lag.upscaling.picture_file import Picture
from lag.upscaling.results import COLUMNS, Table
from lag.upscaling.sources import find_sources
from libml.errors import UserError

DONE, MADE = "0 upscaled, {} done before, 0 failed", "{} upscaled, 0 done before, 0 failed"


def picture(path, seed=0):
    """Writes a picture of a few random pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, [4, 5, 3], np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def small(tmp_path):
    for seed, name in enumerate(["a.png", "b.png", "deeper/c.png"]):
        picture(tmp_path / "in" / name, seed)
    return tmp_path / "in"


@pytest.fixture
def upscaled(model, capsys, tmp_path):
    """Upscales into a folder; returns the line of counts."""

    def run(source, output=tmp_path / "out", **options) -> str:
        upscale_all(model, None, source, output, Options(**{"samples": 2, **options}))
        return capsys.readouterr().out.splitlines()[0]

    return run


def contents(folder) -> dict:
    """Path -> bytes of each result."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.png")}


def table(folder) -> list[dict]:
    with (folder / "results.csv").open(newline="", errors="surrogateescape") as f:
        return list(csv.DictReader(f))


def test_what_is_there_is_not_made_again(upscaled, small, tmp_path):
    out = tmp_path / "out"
    assert upscaled(small).startswith(MADE.format(3))
    before, rows = (out / "b_1.png").stat().st_mtime_ns, table(out)
    assert upscaled(small).startswith(DONE.format(3))
    (out / "a_0.png").unlink()
    assert upscaled(small).startswith("1 upscaled, 2 done before")
    assert (out / "b_1.png").stat().st_mtime_ns == before and table(out) == rows
    with pytest.raises(UserError, match=r"noise was 1\.0, now 0\.5"):
        upscaled(small, noise=0.5)
    assert upscaled(small, noise=0.5, overwrite=True).startswith(MADE.format(3))
    assert json.loads((out / "settings.json").read_text())["noise"] == 0.5


def test_results_of_earlier_settings_never_count_as_those_of_the_new(model, upscaled, small, tmp_path):
    upscaled(small)
    Table(tmp_path / "out", Options(noise=0.5).settings(model), overwrite=True)  # a run that is killed here
    assert upscaled(small, noise=0.5).startswith(MADE.format(3))
    upscaled(small, tmp_path / "new", noise=0.5)
    assert contents(tmp_path / "out") == contents(tmp_path / "new")


def test_no_row_ever_stands_beside_other_settings(model, upscaled, small, tmp_path, monkeypatch):
    upscaled(small)
    write = results_table.write_atomic

    def killed(path, data):
        if path.name == "settings.json":
            raise SystemExit
        write(path, data)

    monkeypatch.setattr(results_table, "write_atomic", killed)
    with pytest.raises(SystemExit):
        upscaled(small, noise=0.5, overwrite=True)
    assert table(tmp_path / "out") == []
    assert json.loads((tmp_path / "out" / "settings.json").read_text())["noise"] == 1.0


def test_results_without_settings_are_not_taken_over(upscaled, small, tmp_path):
    upscaled(small)
    (tmp_path / "out" / "settings.json").unlink()
    before = contents(tmp_path / "out")
    with pytest.raises(UserError, match="results of unknown settings"):
        upscaled(small)
    assert contents(tmp_path / "out") == before
    assert upscaled(small, overwrite=True).startswith(MADE.format(3))


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    "name, data",
    [
        ("results.csv", b"my,own,data\n1,2,3\n"),
        ("results.csv", b""),
        ("results.csv", b"\x00\xff" * 100_000),
        ("settings.json", b"// my editor's settings\n{}\n"),
        ("settings.json", b"[1]"),
        ("settings.json", b'{"theme": "dark"}'),
        ("settings.json", b"[" * 100_000),
        ("settings.json", b""),
    ],
)
def test_files_of_other_programs_stay(upscaled, small, tmp_path, name, data, overwrite):
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_bytes(data)
    with pytest.raises(UserError, match=f"{name} was not written by this program: choose another --output") as e:
        upscaled(small, overwrite=overwrite)
    assert "\n" not in str(e.value)
    assert [p.name for p in out.iterdir()] == [name] and (out / name).read_bytes() == data


def test_pictures_of_others_are_not_replaced(upscaled, small, tmp_path):
    picture(tmp_path / "out" / "deeper" / "c_1.png", 9)
    before = contents(tmp_path / "out")
    for _ in range(2):
        with pytest.raises(UserError, match=r"deeper/c_1.png is there, and was not written by this program"):
            upscaled(small)
        assert contents(tmp_path / "out") == before
    assert upscaled(small, overwrite=True).startswith(MADE.format(3))


@pytest.mark.parametrize("name, options", [("d_1.png", {}), ("d_grid.png", {"grid": True})])
def test_pictures_of_others_among_results_are_not_replaced(upscaled, small, tmp_path, capsys, name, options):
    upscaled(small, **options)
    picture(small / "d.png", 8)
    foreign = tmp_path / "out" / name
    foreign.write_bytes(b"mine")
    now = time.time()
    for later in (3600, -3600):
        os.utime(foreign, (now + later, now + later))
        assert upscaled(small, **options).startswith("0 upscaled, 3 done before, 1 failed")
        assert foreign.read_bytes() == b"mine"
    os.utime(foreign, (now, now))  # what a run that was stopped has written, and not yet noted
    assert upscaled(small, **options).startswith("1 upscaled, 3 done before")
    foreign.write_bytes(b"mine")
    assert upscaled(small, overwrite=True, **options).startswith(MADE.format(4)) and foreign.read_bytes() != b"mine"


def test_a_second_process_does_not_write_into_the_same_folder(upscaled, small, tmp_path):
    out = tmp_path / "out"
    with shards.held(out, None), pytest.raises(UserError, match=f"another process makes results in {out}: wait"):
        upscaled(small)
    assert upscaled(small).startswith(MADE.format(3)) and not list(out.glob(".*"))


def test_results_of_another_input_are_in_the_way(upscaled, small, tmp_path, capsys, model):
    out, other = tmp_path / "out", tmp_path / "other"
    upscaled(small)
    before = contents(out)
    picture(other / "b.png", 7)
    picture(other / "d.png", 8)
    shutil.copy(small / "a.png", other / "a.png")  # the same pixels are the same picture
    assert upscale_all(model, None, other, out, Options(samples=2)) == 1
    said = capsys.readouterr()
    assert said.out.startswith("1 upscaled, 1 done before, 1 failed")
    (line,) = [line for line in said.err.splitlines() if line.startswith("error: ")]
    assert "b_0.png is a result of another picture (b.png): choose another --output, or --overwrite it" in line
    assert {name: data for name, data in contents(out).items() if "d_" not in name} == before
    assert upscaled(other, overwrite=True).startswith(MADE.format(3))
    assert contents(out)["b_1.png"] != before["b_1.png"]
    assert upscaled(other).startswith(DONE.format(3))


def test_one_file_is_the_result_of_one_picture(upscaled, tmp_path, capsys, model):
    picture(tmp_path / "a.png", 1)
    picture(tmp_path / "a.bmp", 2)
    upscaled(tmp_path / "a.png")
    assert upscale_all(model, None, tmp_path / "a.bmp", tmp_path / "out", Options(samples=2)) == 1
    assert "a_0.png is a result of another picture (a.png)" in capsys.readouterr().err
    assert upscaled(tmp_path / "a.bmp", overwrite=True).startswith(MADE.format(1))
    assert {row["source"] for row in table(tmp_path / "out")} == {"a.bmp"}


def test_a_stopped_overwriting_leaves_no_row_of_what_it_replaced(upscaled, small, tmp_path, monkeypatch):
    upscaled(small)
    old = (small / "b.png").read_bytes()
    picture(small / "b.png", 7)
    write = upscale_folder.write_result

    def killed(path, png):
        write(path, png)
        if path.name == "b_0.png":
            raise SystemExit

    monkeypatch.setattr(upscale_folder, "write_result", killed)
    with pytest.raises(SystemExit):
        upscaled(small, overwrite=True)
    monkeypatch.undo()
    (small / "b.png").write_bytes(old)
    upscaled(small, overwrite=False)
    upscaled(small, tmp_path / "new")
    assert contents(tmp_path / "out") == contents(tmp_path / "new")


def test_a_stopped_picture_goes_on_with_the_results_that_it_lacks(model, tmp_path, monkeypatch, capsys):
    """Of five, two at a time: when the third pair is begun, the first four are there; one of them is lost later."""
    monkeypatch.setattr(one_picture, "MOST_AT_ONCE", 2)
    picture(tmp_path / "a.png")
    made, out, options = [], tmp_path / "out", Options(samples=5, tile=3)
    tiles = calls(model, 4, 5, 2, 3)

    def generate(lores, z):
        if len(made) == 2 * tiles:
            while not (out / "a_3.png").exists():  # a thread writes it
                time.sleep(0.01)
            made.clear()
            raise SystemExit
        made.append(len(lores))
        return model.generate(lores, z)

    stopped = model._replace(generate=generate)
    with pytest.raises(SystemExit):
        upscale_all(stopped, None, tmp_path / "a.png", out, options)
    (out / "a_2.png").unlink()
    first = (out / "a_0.png").stat().st_mtime_ns
    assert upscale_all(stopped, None, tmp_path / "a.png", out, options) == 0
    assert made == [2] * tiles + [1] * tiles and (out / "a_0.png").stat().st_mtime_ns == first
    assert f"3 of 5 results, {2 * tiles} tiles\n" in capsys.readouterr().err
    upscale_all(model, None, tmp_path / "a.png", tmp_path / "new", options)
    assert contents(out) == contents(tmp_path / "new") and table(out) == table(tmp_path / "new")
    (out / "a_0.png").unlink()  # a grid shows all, so that all are made
    for folder in (out, tmp_path / "grids"):
        upscale_all(model, None, tmp_path / "a.png", folder, Options(samples=5, tile=3, grid=True))
    assert contents(out) == contents(tmp_path / "grids")


def test_a_grid_shows_the_results_beside_it(upscaled, small, tmp_path):
    upscaled(small, grid=True)
    assert upscaled(small, grid=True).startswith(DONE.format(3))
    upscaled(small, noise=0.5, overwrite=True)  # leaves the grids of noise 1
    assert upscaled(small, noise=0.5, grid=True).startswith(MADE.format(3))
    pixels = np.array(Image.open(tmp_path / "out" / "a_grid.png"))
    assert pixels.shape == (16, 3 * 20, 3)
    np.testing.assert_array_equal(pixels[::4, :20:4], np.array(Image.open(small / "a.png")))
    for i in range(2):
        result = np.array(Image.open(tmp_path / "out" / f"a_{i}.png"))
        np.testing.assert_array_equal(pixels[:, 20 * (i + 1) : 20 * (i + 2)], result)


def test_a_grid_of_many_rows(upscaled, small, tmp_path):
    upscaled(small / "a.png", samples=10, grid=True)
    pixels = np.array(Image.open(tmp_path / "out" / "a_grid.png"))
    assert pixels.shape == (2 * 16, 9 * 20, 3)
    np.testing.assert_array_equal(pixels[16:, 20:40], np.array(Image.open(tmp_path / "out" / "a_9.png")))
    assert np.all(pixels[16:, 40:] == 255)


@pytest.mark.parametrize(
    "sources, expected",
    [
        (["a.png", "a.jpg", "b.png", "c/a.png"], ["a.png", "a.jpg", "b", "c/a"]),
        (["d.tar.png"], ["d.tar"]),
        (["face.jpg", "face.png", "face.jpg.tif"], ["face.jpg", "face.png", "face.jpg.tif"]),
        (["x.jpg", "x.png", "x.jpg.tif", "x.jpg.tif.gif"], ["x.jpg", "x.png", "x.jpg.tif", "x.jpg.tif.gif"]),
        (["y.jpg", "y.jpg.tif"], ["y", "y.jpg"]),
    ],
)
def test_names_stay_apart(tmp_path, sources, expected):
    for name in sources:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_sources(tmp_path, tmp_path / "out")
    assert found.names == sorted(sources, key=lambda name: name.split("/")) and found.found == len(sources)
    assert [str(found.stem(name)) for name in sources] == expected


ODD = [
    b'a\xff,\n\r"b',
    b"a\rb",
    b"\ra",
    b"\ta",
    b"=HYPERLINK(1)",
    b"+1",
    b"-1",
    b"@a",
    b"'=a",
    b"''=a",
    b"'a",
    b"\xc3\xa9",
]


def test_odd_names_are_read_back_and_are_no_formulas(upscaled, small, tmp_path):
    source = tmp_path / "odd"
    source.mkdir()
    for i, name in enumerate(ODD):
        picture(tmp_path / "x.png", i)
        shutil.copy(tmp_path / "x.png", os.fsencode(source) + b"/" + name + b".png")
    assert upscaled(source, samples=1).startswith(MADE.format(len(ODD)))
    before = (tmp_path / "out" / "results.csv").read_bytes()
    assert upscaled(source, samples=1).startswith(DONE.format(len(ODD)))
    assert (tmp_path / "out" / "results.csv").read_bytes() == before
    names = {os.fsdecode(name) for name in os.listdir(os.fsencode(tmp_path / "out"))}
    assert {os.fsdecode(name + b"_0.png") for name in ODD} < names
    rows = table(tmp_path / "out")
    assert len(rows) == len(ODD) and all(set(row) == set(COLUMNS) for row in rows)
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert {row["source"] for row in rows} >= {"'=HYPERLINK(1).png", "'a.png", "''=a.png", "a\rb.png"}


@pytest.mark.parametrize("grid", [False, True])
def test_a_name_too_long_costs_one_line(model, small, tmp_path, capsys, grid):
    longest = os.pathconf(tmp_path, "PC_NAME_MAX")
    for length in (longest, longest - 3 if grid else longest - 1):  # a grid's name is longer than a result's
        picture(small / ("l" * (length - 4) + ".png"), 5)
    for done in ("3 upscaled, 0 done before, 2 failed", "0 upscaled, 3 done before, 2 failed"):
        assert upscale_all(model, None, small, tmp_path / "out", Options(samples=1, grid=grid)) == 2
        said = capsys.readouterr()
        assert said.out.startswith(done) and ("wrote " in said.out) == ("3 upscaled" in done)
        errors = [line for line in said.err.splitlines() if line.startswith("error: ")]
        assert len(errors) == 2 and all("takes no name as long as that of its result" in line for line in errors)
    assert not list((tmp_path / "out").rglob(".*"))


def test_a_picture_that_changed_is_made_again(upscaled, small, tmp_path):
    upscaled(small)
    before = contents(tmp_path / "out")
    picture(small / "b.png", seed=9)
    assert upscaled(small, overwrite=False).startswith("0 upscaled, 2 done before, 1 failed")
    assert upscaled(small, overwrite=True).startswith(MADE.format(3))
    changed = {name for name, data in contents(tmp_path / "out").items() if data != before[name]}
    assert changed == {"b_0.png", "b_1.png"}


def test_a_large_picture_says_its_size_and_needs_a_yes(model, tmp_path, capsys, monkeypatch):
    picture(tmp_path / "in" / "a.png")  # 5 x 4; the model makes 20 x 16 of it
    options = {"samples": 2, "tile": 3}
    monkeypatch.setattr(file_results, "MOST_UNASKED", 2 * 20 * 16 - 1)
    assert upscale_all(model, None, tmp_path / "in", tmp_path / "out", Options(**options)) == 1
    refused = capsys.readouterr().err
    assert "its 2 results would have 20 x 16 pixels, 0 million in all: --yes makes them" in refused
    assert not list((tmp_path / "out").glob("*.png"))
    assert upscale_all(model, None, tmp_path / "in", tmp_path / "out", Options(**options, large=True)) == 0
    assert "a.png: 5 x 4 to 20 x 16 pixels, 2 results, 4 tiles\n" in capsys.readouterr().err
    assert len(list((tmp_path / "out").glob("*.png"))) == 2
    assert upscale_all(model, None, tmp_path / "in", tmp_path / "one", Options(samples=1, tile=3)) == 0
    said = capsys.readouterr().err
    assert ", 1 result, 4 tiles\n" in said and said.endswith("a.png: 3 of 4 tiles\na.png: 4 of 4 tiles\n")
    # What is there needs no second yes, and a picture of one tile no word.
    assert upscale_all(model, None, tmp_path / "in", tmp_path / "out", Options(**options)) == 0
    monkeypatch.undo()
    assert upscale_all(model, None, tmp_path / "in", tmp_path / "small", Options(samples=2)) == 0
    assert "tiles" not in capsys.readouterr().err


def test_every_tile_is_counted(model, tmp_path):
    pixels = np.zeros([7, 10, 3], np.float32)
    counted = []
    made = upscale(
        model, Picture(pixels, None, "", ""), range(3), 1.0, 0, 3, False, tile_done=lambda: counted.append(1)
    )
    assert len(list(made)) == 3 and len(counted) == calls(model, 7, 10, 3, 3)


def test_overwriting_with_fewer_samples_leaves_no_older_ones(upscaled, small, tmp_path):
    out = tmp_path / "out"
    upscaled(small, samples=4)
    assert (out / "a_3.png").exists()
    upscaled(small / "a.png", samples=2, overwrite=True)
    assert not (out / "a_2.png").exists() and not (out / "a_3.png").exists() and (out / "b_3.png").exists()
    assert {(r["source"], r["place"]) for r in table(out) if r["source"] == "a.png"} == {("a.png", "0"), ("a.png", "1")}
    upscaled(small, samples=3)
    upscaled(small / "a.png", samples=2)  # but that asks for no making again
    assert (out / "a_2.png").exists()


def test_another_model_is_told_by_its_path(model, upscaled, small):
    upscaled(small, model_path="runs/one")
    assert upscaled(small, model_path="moved/one").startswith(DONE.format(3))
    other = model._replace(fingerprint="other")
    with pytest.raises(UserError, match=r"model was \w+ of moved/one, now other of runs/two\):"):
        Table(small.parent / "out", Options(samples=2, model_path="runs/two").settings(other), overwrite=False)
