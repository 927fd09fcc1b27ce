"""Where a program is to write is looked at before its work."""

import pytest

from libml.errors import UserError
from libml.system import outputs
from tests.support.programs import mistake


@pytest.mark.parametrize("name", ["a.png", "A.PNG", "new/folder/a.png"])
def test_a_suffix_decides_the_format(tmp_path, name):
    outputs.check_file("output", str(tmp_path / name), ".png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name, said",
    [
        ("c.jpg", r"a PNG file is written: name it .*/c\.png$"),
        ("c", r"name it .*/c\.png$"),
        ("c.png.jpg", r"name it .*/c\.png\.png$"),
        ("", r"is a folder: name a file, as .*/name\.png$"),
        ("file/c.png", "file is in the way, and no folder"),
    ],
)
def test_another_suffix_is_refused(tmp_path, name, said):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=f"^--output.*{said}"):
        outputs.check_file("output", str(tmp_path / name), ".png")


def test_a_folder_is_not_called_like_a_file(tmp_path):
    for good in ("large", "large/", "v1.2", "a/b/c"):
        outputs.check_folder("output", str(tmp_path / good))
    with pytest.raises(UserError, match=r"called like a file.*use --output=.*/large/$"):
        outputs.check_folder("output", str(tmp_path / "large.png"))
    (tmp_path / "old.png").mkdir()
    outputs.check_folder("output", str(tmp_path / "old.png"))
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is in the way, and no folder"):
        outputs.check_folder("output", str(tmp_path / "file"))


def test_a_place_that_cannot_be_written_is_said():
    with pytest.raises(UserError, match=r"^--output: cannot write into /proc: \w"):
        outputs.check_folder("output", "/proc/new/folder")  # permissions are root's there


@pytest.mark.parametrize(
    "words, said",
    [
        (("scripts/figures.py", "--run=r", "--output=c.jpg"), "name it c.png"),
        (("scripts/lag_generate_candidates.py", "--run=r", "--save_to=c"), "name it c.png"),
        (("scripts/upscale.py", "--model=r", "--input=.", "--output=large.png"), "use --output=large/"),
        (("scripts/evaluate.py", "--run=r", "--out=report.md"), "use --output=report/"),
        (("scripts/export.py", "--run=r", "--output=model.onnx"), "use --output=model/"),
        (("scripts/benchmark_step.py", "--output=a.csv"), "name it a.json"),
    ],
)
def test_programs_say_it_before_their_work(words, said):
    assert said in mistake(*words)
