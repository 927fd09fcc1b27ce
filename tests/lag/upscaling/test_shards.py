"""Shards of a folder: together they make what one process makes; merging says what is missing."""

import csv
import os
import shutil
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lag.upscaling import folder, shards
from lag.upscaling.choosing import Options
from lag.upscaling.folder import upscale_all
from lag.upscaling.merging import merge
from lag.upscaling.one_picture import Upscaler
from lag.upscaling.shards import Shard, parse
from lag.upscaling.sources import find_sources
from libml import philox
from libml.errors import UserError

# Enlarges and adds noise; not trained, and needs no TensorFlow.
MODEL = Upscaler(
    lambda lores, z: np.clip(lores + z, -1, 1).repeat(4, 1).repeat(4, 2), 4, 3, 1, 0, "abc", {}, philox.normal_parts
)
CLASHING = ("a.png", "a.bmp", "a.bmp.png", "sub/a.png", "sub/b.tiff", "z\ry.png")
NAMES = CLASHING + tuple(f"sub/deeper/{i}.png" for i in range(9))


@pytest.fixture
def small(tmp_path):
    for seed, name in enumerate(NAMES):
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, [3, 4, 3], np.uint8)).save(path)
    return tmp_path / "in"


def contents(folder: Path) -> dict:
    files = (p for p in folder.rglob("*") if p.is_file() and shards.FOLDER not in p.relative_to(folder).parts)
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def run(source, output, number, count=3, **options):
    return upscale_all(MODEL, None, source, output, Options(**{"samples": 2, **options}), Shard(number, count))


def missing(output) -> list[tuple]:
    with (output / "shards" / "missing.csv").open(newline="") as f:
        return [(row["source"], row["shard"], row["problem"]) for row in csv.DictReader(f)]


def test_shards_make_what_one_process_makes(small, tmp_path, capsys):
    upscale_all(MODEL, None, small, tmp_path / "one", Options(samples=2, grid=True))
    out = tmp_path / "out"
    parts = [find_sources(small, out, Shard(n, 3).owns).names for n in (1, 2, 3)]
    assert sorted(name for part in parts for name in part) == sorted(NAMES) and all(parts)
    for n in (2, 3, 1):
        capsys.readouterr()
        assert run(small, out, n, grid=True) == 0
        said = capsys.readouterr().out
        assert said.startswith(f"shard {n}/3: {len(parts[n - 1])} of {len(NAMES)} pictures\n")
        assert f"\n{len(parts[n - 1])} upscaled, 0 done before, 0 failed\n" in said
        assert "pictures/s; the model ran" in said and f"wrote {out}/shards/{n}-of-3/results.csv" in said
    assert merge(small, out) == [] and missing(out) == []
    assert f"{len(NAMES)} pictures: {len(NAMES)} complete, 0 failed, 0 missing" in capsys.readouterr().out
    assert contents(out) == contents(tmp_path / "one")
    assert run(small, out, 2, grid=True) == 0
    assert f"0 upscaled, {len(parts[1])} done before" in capsys.readouterr().out
    # One shard of more than there are pictures has none, which is no mistake.
    empty = next(n for n in range(1, 999) if not find_sources(small, out, Shard(n, 999).owns).names)
    assert run(small, tmp_path / "many", empty, 999) == 0


def test_whose_a_picture_is_never_changes():
    """As b2sum -l 64 has it, of the name without its suffixes, from the lowest byte on."""
    assert 0x89 % 64 + 1 == shards.owner("sub/face.png", 64) == shards.owner("sub/face.jpg.PNG", 64) == 10
    assert 0x40 % 64 + 1 == shards.owner("a.tif", 64) == 1
    assert shards.owner("caf\u00e9.gif", 1 << 16) == 0x7757 + 1


SLURM = {f"SLURM_ARRAY_TASK_{name}": value for name, value in zip(("ID", "MIN", "MAX", "COUNT"), "7595", strict=True)}
KUBERNETES = {"JOB_COMPLETION_INDEX": "0", "JOB_COMPLETIONS": "64"}


@pytest.mark.parametrize(
    "text, environment, meant",
    [
        ("3/64", SLURM, (3, 64)),
        ("1/1", {}, (1, 1)),
        ("auto", SLURM, (3, 5)),
        ("auto", KUBERNETES, (1, 64)),
        ("0/64", {}, "--shard=0/64 is shard 0/64: shards count from 1: 1/64 to 64/64"),
        ("65/64", {}, "shards count from 1: 1/64 to 64/64"),
        ("1/10001", {}, "there can be 1 to 10000"),
        ("0/0", {}, "there can be 1 to 10000"),
        ("3", {}, "--shard=3 is no shard: write --shard=3/64"),
        ("3/x", {}, "is no shard"),
        ("auto", {}, "needs SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX, and neither of them is set"),
        ("auto", SLURM | KUBERNETES, "and both of them is set"),
        ("auto", SLURM | {"SLURM_ARRAY_TASK_COUNT": "2"}, "needs all tasks of the array, and 2 of 5-9 are there"),
        ("auto", {"JOB_COMPLETION_INDEX": "0"}, "JOB_COMPLETIONS is not set"),
        ("auto", KUBERNETES | {"JOB_COMPLETIONS": "many"}, "JOB_COMPLETIONS=many is no number"),
        ("auto", KUBERNETES | {"JOB_COMPLETION_INDEX": "64"}, "JOB_COMPLETION_INDEX=64 is shard 65/64"),
    ],
)
def test_what_shard_is_meant(text, environment, meant):
    if isinstance(meant, tuple):
        assert parse(text, environment) == meant
    else:
        with pytest.raises(UserError, match=meant):
            parse(text, environment)


def test_shards_that_do_not_agree_are_refused(small, tmp_path):
    out, one = tmp_path / "out", tmp_path / "one"
    run(small, out, 1)
    before = contents(tmp_path)
    shutil.copytree(small, tmp_path / "other")
    for options, why in (
        ({"noise": 0.5}, r"shard 1/3 holds results of other settings \(noise was 1.0, now 0.5\)"),
        ({"count": 4}, "holds results of shard 1/3, and 2/4 would have some of its pictures"),
        ({"source": tmp_path / "other"}, "input was .*/in, now .*/other"),
    ):
        with pytest.raises(UserError, match=why) as e:
            run(options.pop("source", small), out, 2, **options)
        assert "\n" not in str(e.value)
    with pytest.raises(UserError, match="holds results of shards, as 1/3: add --shard"):
        upscale_all(MODEL, None, small, out, Options(samples=2))
    with pytest.raises(UserError, match="is a file"):
        run(small / "a.png", tmp_path / "new", 1)
    with shards.held(out, Shard(2, 3)), pytest.raises(UserError, match="another process makes shard 2/3"):
        run(small, out, 2)
    upscale_all(MODEL, None, small, one, Options(samples=2))
    with pytest.raises(UserError, match="made without --shard"):
        run(small, one, 1)
    with pytest.raises(UserError, match="holds no results of shards"):
        merge(small, one)
    # What is overwritten by other settings must be overwritten in all shards.
    run(small, out, 2, noise=0.5, overwrite=True)
    with pytest.raises(UserError, match=r"shards 1/3 and 2/3 hold results of other settings"):
        merge(small, out)
    run(small, out, 1, noise=0.5, overwrite=True)
    with pytest.raises(UserError, match="the shards are of --input="):
        merge(tmp_path / "other", out)
    assert merge(small, out) and {k: v for k, v in contents(tmp_path).items() if k in before}.keys() == before.keys()


@pytest.mark.parametrize("first", [Shard(1, 3), None])
@pytest.mark.parametrize("second", [Shard(2, 4), Shard(2, 3), None])
def test_of_two_that_begin_at_the_same_time_one_sees_the_other(small, tmp_path, monkeypatch, first, second):
    out, begin = tmp_path / "out", folder.refuse_foreign

    def meanwhile(*_):  # what asks about the folder has been asked, and nothing is written yet
        monkeypatch.setattr(folder, "refuse_foreign", begin)
        upscale_all(MODEL, None, small, out, Options(samples=2, noise=0.5), second)

    monkeypatch.setattr(folder, "refuse_foreign", meanwhile)
    with pytest.raises(UserError, match="holds results"):
        upscale_all(MODEL, None, small, out, Options(samples=2), first)
    alone = tmp_path / "alone"
    upscale_all(MODEL, None, small, alone, Options(samples=2, noise=0.5), second)
    table = second.place(Path()) / "results.csv" if second else "results.csv"
    assert contents(out) == contents(alone) and (out / table).read_bytes() == (alone / table).read_bytes()
    upscale_all(MODEL, None, small, out, Options(samples=2, noise=0.5), second)  # and goes on


def test_pictures_of_others_stay(small, tmp_path):
    out, mine = tmp_path / "out", find_sources(small, tmp_path, Shard(2, 3).owns)
    foreign = out / f"{mine.stem(mine.names[-1])}_1.png"
    foreign.parent.mkdir(parents=True)
    foreign.write_bytes(b"mine")
    run(small, out, 1)
    for _ in range(2):
        with pytest.raises(UserError, match="is there, and was not written by this program"):
            run(small, out, 2)
    (out / "results.csv").write_text("my,own\n")
    with pytest.raises(UserError, match=r"results\.csv was not written by this program"):
        merge(small, out)
    assert foreign.read_bytes() == b"mine" and (out / "results.csv").read_text() == "my,own\n"


def test_merging_says_what_is_missing(small, tmp_path, capsys):
    out = tmp_path / "out"
    (small / "broken.png").write_bytes(b"no picture")
    (bad,) = [n for n in (1, 2, 3) if Shard(n, 3).owns("broken.png")]
    first, late = bad, bad % 3 + 1
    other = ({1, 2, 3} - {first, late}).pop()
    mine = find_sources(small, out, Shard(other, 3).owns)
    assert run(small, out, first) == 1 and run(small, out, other) == 0
    (out / f"{mine.stem(mine.names[0])}_1.png").unlink()
    new = next(f"new{i}.png" for i in range(99) if Shard(other, 3).owns(f"new{i}.png"))
    shutil.copy(small / "a.png", small / new)
    capsys.readouterr()
    merge(small, out)
    theirs = find_sources(small, out, Shard(late, 3).owns).names
    expected = {(name, str(late), "its shard has not begun") for name in theirs}
    expected |= {(new, str(other), "0 of 2 results are there")}
    expected |= {(mine.names[0], str(other), f"{mine.stem(mine.names[0])}_1.png is not there")}
    found = missing(out)
    assert expected < set(found) and len(found) == len(expected) + 1 and found == sorted(found)
    (failure,) = set(found) - expected
    assert failure[:2] == ("broken.png", str(bad)) and failure[2].startswith("cannot read it as a picture")
    said = capsys.readouterr()
    assert f"1 failed, {len(expected)} missing" in said.out and "2 of 3 shards have begun" in said.out
    again = ",".join(sorted([str(other), str(late)]))  # not the one whose only fault would come again
    assert f"shards to run again: {again}\n" in said.out and "error: broken.png: cannot read" in said.err
    # Mended, run again and merged, it is complete; results of a picture that has gone are named.
    shutil.copy(small / "a.png", small / "broken.png")
    for n in (1, 2, 3):
        assert run(small, out, n) == 0
    (small / "sub/a.png").unlink()
    capsys.readouterr()
    assert merge(small, out) == [] and missing(out) == []
    assert "2 results are of pictures that --input does not hold any more" in capsys.readouterr().out
    # Who asks one shard for more samples is told that the others have fewer.
    run(small, out, 1, samples=3)
    assert {(lack.shard, lack.problem) for lack in merge(small, out)} == {
        (2, "2 of 3 results are there"),
        (3, "2 of 3 results are there"),
    }


def test_many_names_take_little_memory(small, tmp_path):
    many = tmp_path / "many"
    many.mkdir()
    for i in range(3000):
        os.link(small / "a.png", many / f"picture{i:06d}.png")
    tracemalloc.start()
    try:
        assert find_sources(many, tmp_path / "out", Shard(1, 100).owns).found == 3000
        assert tracemalloc.get_traced_memory()[1] < 60_000  # 20 bytes a name
        tracemalloc.reset_peak()
        assert len(find_sources(many, tmp_path / "out").names) == 3000
        assert tracemalloc.get_traced_memory()[1] < 1_200_000
    finally:
        tracemalloc.stop()


def test_reading_and_writing_go_on_while_the_model_runs(small, tmp_path, monkeypatch):
    """A picture is made only when the next one was read, and written only when the next one is being made."""
    names = find_sources(small, tmp_path / "out").names[:4]
    read, made = ([threading.Event() for _ in names] for _ in range(2))
    waited, making = [], iter(range(len(names)))

    def wait_for(events, place):
        waited.append(place >= len(names) or events[place].wait(20))

    def generate(lores, z):
        place = next(making)
        made[place].set()
        wait_for(read, place + 1)
        return MODEL.generate(lores, z)

    def reading(path, *args):
        read[names.index(str(path.relative_to(small)))].set()
        return read_small_picture(path, *args)

    def writing(path, *args):
        wait_for(made, next(place for place, name in enumerate(names) if path == target(name)) + 1)
        return write_result(path, *args)

    def target(name):
        return tmp_path / "out" / f"{sources.stem(name)}_0.png"

    sources = find_sources(small, tmp_path / "out")
    read_small_picture, write_result = folder.read_small_picture, folder.write_result
    monkeypatch.setattr(folder, "read_small_picture", reading)
    monkeypatch.setattr(folder, "write_result", writing)
    monkeypatch.setattr(folder, "find_sources", lambda *args: sources._replace(names=names))
    assert upscale_all(MODEL._replace(generate=generate), None, small, tmp_path / "out", Options(samples=1)) == 0
    assert len(waited) == 8 and all(waited)
