"""Runs, exports and results on object stores, written by programs that are killed at every write."""

import itertools
from pathlib import Path

import numpy as np
import pytest

import lag
from lag.formats import card, onnx_export, saved_model
from lag.formats.export_folder import check_target, new_export
from lag.upscaling.choosing import Options
from lag.upscaling.folder import upscale_all
from lag.upscaling.merging import merge
from lag.upscaling.shards import Shard
from libml.errors import UserError
from libml.images import encode_png
from libml.system.store_path import StorePath, to_path
from libml.training.run_names import find_model, find_run
from tests.support.images import blobs
from tests.support.late_store import KilledError

pytestmark = pytest.mark.usefixtures("late_store")


def send(source, target):
    for file in source.walk() if isinstance(source, StorePath) else (f for f in source.rglob("*") if f.is_file()):
        (target / file.relative_to(source)).write_bytes(file.read_bytes())


def test_a_run_on_a_store_is_exported_there_and_read_from_there(run, late_store, tmp_path):
    late_store.late = 0
    place = to_path(f"ram://{tmp_path.name}/runs") / run.name
    send(run, place)
    assert find_run(str(place)) == find_run(str(place.parent)) == place
    y = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    expected = lag.load(run).sample(y, n=2)
    saved_model.export_run(str(place), str(place / "export"))
    onnx_export.export_run(str(place), str(place.parent / "onnx"))
    for text in (str(place), f"{place}/export", f"{place.parent}/onnx", f"{place.parent}/onnx/model.onnx"):
        made = lag.load(text).sample(y, n=2)
        assert np.abs(made.astype(int) - expected).max() <= (1 if "onnx" in text else 0), text
    assert find_model(f"{place}/export") == place / "export"
    send(place / "export", to_path("late://export"))  # whose files TensorFlow does not read itself
    (tmp_path / "model.onnx").write_bytes(onnx_export.convert_any(to_path("late://export")))
    assert np.abs(lag.load(tmp_path / "model.onnx").sample(y, n=2).astype(int) - expected).max() <= 1
    with pytest.raises(UserError, match=r"ram://.* holds x\.txt, which is no part of the export"):
        (place / "export" / "x.txt").write_bytes(b"a user's")
        saved_model.export_run(str(place), str(place / "export"))


def test_an_export_killed_at_each_write_is_there_whole_or_not_and_can_be_made_again(late_store, tmp_path):
    facts = {"kind": "LAG generator", "scale": 4, "colors": 3, "noise_dim": 2, "receptive_radius": 5, "nimg": 1024}

    def export(folder, fingerprint, extra=()):
        check_target(folder)
        with new_export(folder) as temporary:
            (temporary / "variables").mkdir(parents=True)
            for name in ("saved_model.pb", "variables/variables.index", *extra):
                (temporary / name).write_text(fingerprint)
            (temporary / card.README_FILE).write_text("of the model")
            text = {**facts, "fingerprint": fingerprint, "readme": card._digest("of the model")}
            (temporary / card.CARD_FILE).write_text(str(text).replace("'", '"'))

    for n in itertools.count(1):
        folder, late_store.late = to_path(f"late://exports/{n}"), 7
        export(folder, "old", extra=["variables/old"])
        late_store.revive()
        late_store.dies_at = n
        try:
            export(folder, "new")
        except KilledError:
            late_store.revive()
            late_store.late = 0  # what nobody has listed yet stays until somebody does
            if found := card.load_description(folder):
                texts = {(folder / name).read_text() for name in ("saved_model.pb", "variables/variables.index")}
                assert texts == {found["fingerprint"]}
            export(folder, "new")
        else:
            break
        assert card.load_description(folder)["fingerprint"] == "new"
        names = [name for name in late_store.objects() if name.startswith(f"exports/{n}/")]
        assert len(names) == 4 and f"exports/{n}/variables/old" not in names
    assert n > 8


@pytest.mark.parametrize("parts", [0, 2])
def test_results_on_a_store_are_those_of_a_disk_whenever_it_was_killed(model, late_store, tmp_path, capsys, parts):
    """Those of one process, and those of shards that are merged."""
    source, options = tmp_path / "small", Options(samples=2, grid=True)
    for i, image in enumerate(blobs(3, 6)):
        file = source / ("deeper" if i else "") / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode_png(image))
    send(source, to_path("late://small"))
    late_store.late = 0
    disk, there = tmp_path / "large", to_path("late://large")
    upscale_all(model, None, source, disk, options)
    for n in itertools.count(1, parts + 1):
        late_store.dies_at = n
        try:
            for shard in [Shard(i + 1, parts) for i in range(parts)] or [None]:
                upscale_all(model, None, to_path("late://small"), there, options, shard)
            lacks = merge(to_path("late://small"), there) if parts else []
        except KilledError:
            late_store.revive()
        else:
            break
    assert n > 3 and lacks == []
    names = {str(path.relative_to(disk)) for path in disk.rglob("*") if path.is_file()}
    assert {name for path in there.walk() if not (name := str(path.relative_to(there))).startswith("shards/")} == names
    for name in names:
        assert (there / name).read_bytes() == Path(disk, name).read_bytes(), name
    if not parts:
        capsys.readouterr()
        upscale_all(model, None, to_path("late://small"), there, options)
        assert "0 upscaled, 3 done before" in capsys.readouterr().out
