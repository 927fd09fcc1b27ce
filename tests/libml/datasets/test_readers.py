"""Kinds of picture files that both upscaling and datasets read: profiles, first frames, formats of phones."""

import importlib.util
import io
import sys

import numpy as np
import pytest
from PIL import Image

from lag.formats.registry import load_model
from lag.upscaling.choosing import Options
from lag.upscaling.folder import upscale_all
from lag.upscaling.picture_file import read_picture
from libml.datasets.making import folder, pictures
from libml.datasets.making.pictures import CONVERTED, FIRST_FRAME, SUFFIXES, PictureOptions
from libml.errors import UserError
from tests.support import icc
from tests.support.images import blobs
from tests.support.untrained import untrained_run

HEIF = importlib.util.find_spec("pillow_heif")


def both(path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Pixels and notes of the reader of upscaling, which are those of the reader of datasets."""
    picture = read_picture(path, 3)
    stored = pictures.read(path.name, str(path.parent), PictureOptions(crop="none"))
    assert not stored.problem, stored.problem
    assert stored.notes == tuple(sorted(picture.notes, key=(FIRST_FRAME, CONVERTED).index))
    pixels = np.asarray(Image.open(io.BytesIO(stored.png)))
    np.testing.assert_array_equal(pixels, picture.pixels.repeat(3 // picture.pixels.shape[-1], -1))
    return pixels, stored.notes


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_listed_suffix_is_read(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    if suffix in (".heic", ".heif"):
        pytest.importorskip("pillow_heif").register_heif_opener()
    options = {"quality": 95, "subsampling": "4:4:4"} if suffix == ".avif" else {}
    image = blobs(1, 40)[0]
    form = {"format": "JPEG"} if suffix == ".jpe" else {}
    Image.fromarray(image).convert("1" if suffix == ".pbm" else "RGB").save(path, **options, **form)
    pixels, notes = both(path)
    assert pixels.shape == (40, 40, 3) and notes == ()
    if suffix != ".pbm":
        assert np.mean(np.abs(pixels - image.astype(float))) < 8


@pytest.mark.skipif(bool(HEIF), reason="the package is there")
def test_heic_without_its_package_is_one_line(tmp_path):
    (tmp_path / "a.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    assert "pip install pillow-heif" in pictures.read("a.HEIC", str(tmp_path), PictureOptions()).problem
    with pytest.raises(UserError, match="pip install pillow-heif"):
        read_picture(tmp_path / "a.HEIC", 3)


def test_tga_is_read_by_its_suffix_alone(tmp_path):
    Image.fromarray(blobs(1)[0]).save(tmp_path / "a.tga")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.tga").read_bytes())
    assert "is no PNG" in pictures.read("a.png", str(tmp_path), PictureOptions()).problem


def test_a_profile_is_applied(tmp_path):
    image = blobs(1, 40)[0]
    Image.fromarray(image).save(tmp_path / "a.png", icc_profile=icc.profile(1.0, icc.SRGB[::-1]))
    pixels, notes = both(tmp_path / "a.png")
    assert notes == (CONVERTED,)
    np.testing.assert_allclose(pixels[..., ::-1], icc.srgb_levels(image / 255), atol=2)


def test_a_profile_of_deep_grey_is_applied(tmp_path):
    values = np.arange(256, dtype=np.uint16).reshape(16, 16) * 257
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, format="PNG", icc_profile=icc.profile(1.0))
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    stored = pictures.read("a.png", str(tmp_path), PictureOptions())
    pixels = np.asarray(Image.open(io.BytesIO(stored.png)))[..., 0]
    np.testing.assert_allclose(pixels, icc.srgb_levels(values / 65535), atol=1)
    assert stored.notes == read_picture(tmp_path / "a.png", 3).notes == (CONVERTED,)


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.tif", "a.png"])
def test_the_first_frame_is_taken(tmp_path, name):
    frames = [Image.fromarray(image) for image in blobs(3, 40)]
    options = {"lossless": True} if name == "a.webp" else {}
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **options)
    pixels, notes = both(tmp_path / name)
    assert notes == (FIRST_FRAME,)
    assert np.mean(np.abs(pixels - np.asarray(frames[0]).astype(float))) < 5
    frames[0].save(tmp_path / f"one{name}")
    assert both(tmp_path / f"one{name}")[1] == ()


def fill(place) -> None:
    place.mkdir()
    frames = [Image.fromarray(image) for image in blobs(12)]
    for i, frame in enumerate(frames[:10]):
        frame.save(place / f"{i}.png", icc_profile=icc.profile(1.0) if i == 0 else None)
    for name in ("a.gif", "b.gif"):
        frames[10 + (name == "b.gif")].save(place / name, save_all=True, append_images=frames[:2])


def test_what_is_special_is_said_once_a_run(tmp_path, capsys):
    fill(tmp_path / "pictures")
    folder.make(str(tmp_path / "pictures"), "pets", str(tmp_path), PictureOptions(), 0.3, 1, False)
    said = capsys.readouterr().err
    assert said.count(f"pictures {FIRST_FRAME}: 2") == said.count(FIRST_FRAME) == 1
    assert said.count(f"pictures {CONVERTED}: 1") == said.count(CONVERTED) == 1
    model = load_model(untrained_run(tmp_path / "runs"))
    assert upscale_all(model, None, tmp_path / "pictures", tmp_path / "out", Options(samples=1)) == 0
    said = capsys.readouterr()
    assert said.out.count(f"2 {FIRST_FRAME}\n") == (said.out + said.err).count(FIRST_FRAME) == 1
    assert said.out.count(f"1 {CONVERTED}\n") == (said.out + said.err).count(CONVERTED) == 1


def test_pictures_without_a_profile_need_no_colour_engine(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL._imagingcms", None)
    Image.fromarray(blobs(1)[0]).save(tmp_path / "a.png")
    np.testing.assert_array_equal(both(tmp_path / "a.png")[0], blobs(1)[0])
