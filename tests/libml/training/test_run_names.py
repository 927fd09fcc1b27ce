"""Runs by what a user calls them."""

import pytest

from edsr import EDSRConfig
from lag.config import LAGConfig
from libml.errors import UserError
from libml.training.run_folder import save_args
from libml.training.run_names import find_model, find_run
from tests.support.programs import mistake


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Three runs in ./experiments, one of them with a name, and one elsewhere."""
    monkeypatch.chdir(tmp_path)
    made = {}
    for key, config in {
        "lag": LAGConfig(train_dir="experiments"),
        "edsr": EDSRConfig(train_dir="experiments"),
        "faces": LAGConfig(train_dir="experiments", name="faces"),
        "far": LAGConfig(train_dir="elsewhere/runs", name="far"),
    }.items():
        save_args(config, config.folder, colors=3)
        made[key] = config.folder
    return made


def test_a_name_takes_the_place_of_the_parameters_in_the_folder(runs):
    assert str(runs["faces"]) == "experiments/toyfaces32/average4X/faces"


@pytest.mark.parametrize(
    "text, key",
    [
        ("experiments/toyfaces32/average4X/faces", "faces"),
        ("experiments/toyfaces32/average4X/faces/", "faces"),
        ("faces", "faces"),
        ("elsewhere/runs/far", "far"),
        ("elsewhere/far", "far"),
        ("elsewhere", "far"),
        ("experiments/*/*/LAG_*", "lag"),
        ("*/*/*/EDSR*", "edsr"),
        ("elsewh*", "far"),
    ],
)
def test_what_a_run_may_be_called(runs, text, key):
    assert find_run(text).resolve() == runs[key].resolve()


@pytest.mark.parametrize(
    "text, said",
    [
        ("experiments", r"stands for 3 runs: name one of experiments/.*EDSR_\w+.*, experiments/"),
        ("experiments/*/*/*", "stands for 3 runs"),
        ("far", "far is no run folder: it is not there, nor is a run called so$"),
        ("elsewhere/runs/near", "is no run folder"),
        ("face", r"nor is a run called so; did you mean faces\?$"),
        ("elsewhere/fer", r"nor is a run called so; did you mean elsewhere/runs/.*/far\?$"),
        ("nothing/*", "no run fits that pattern"),
        ("", "'' is no run folder: give"),
        ("faces,far", "name one run a flag"),
        ("/nowhere", "it is not there"),
        ("/etc/passwd", "it is a file$"),
        (".", r"stands for 4 runs: .*, \.\.\.$"),
    ],
)
def test_what_stands_for_no_run_or_several(runs, text, said):
    with pytest.raises(UserError, match=said):
        find_run(text)


def test_an_export_is_told_from_a_run(runs, tmp_path):
    export = runs["faces"] / "export"
    export.mkdir()
    (export / "model.json").write_text("{}")
    with pytest.raises(UserError, match=r"is an export and no run folder: its run is .*average4X/faces$"):
        find_run(str(export))
    assert find_model(str(export)) == export and find_model("faces") == runs["faces"]
    (tmp_path / "model.onnx").touch()
    (tmp_path / "empty").mkdir()
    assert str(find_model("model.onnx")) == "model.onnx" and str(find_model("empty")) == "empty"


@pytest.mark.parametrize("name", ["a/b", ".", "..", "-x", "with space", "*"])
def test_a_name_that_cannot_be_is_refused(name):
    with pytest.raises(UserError, match=r"^--name="):
        LAGConfig(name=name).validate()


@pytest.mark.parametrize("name", ["faces", "v1.2_a-b", "7"])
def test_a_name_that_can_be(name):
    LAGConfig(name=name).validate()


@pytest.mark.parametrize(
    "words",
    [
        ("scripts/lag_generate_candidates.py", "--run=none"),
        ("scripts/figures.py", "--run=none"),
        ("scripts/export.py", "--run=none", "--output=model"),
        ("scripts/evaluate.py", "--run=none"),
        ("scripts/upscale.py", "--model=none", "--input=.", "--output=large"),
        ("lag.py", "--resume=none"),
    ],
)
def test_programs_find_runs_before_their_libraries(words):
    assert "none is no run folder" in (line := mistake(*words)) or "none is neither a run folder nor an exp" in line
