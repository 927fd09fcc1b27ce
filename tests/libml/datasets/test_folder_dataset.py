"""Datasets made of folders of pictures: a zoo of awkward files, splits, shards, and runs that end badly."""

import functools
import hashlib
import io
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from libml.datasets import catalogue as data
from libml.datasets import manifest, records
from libml.datasets.making import asked, build, check, folder, pictures
from libml.datasets.stream import Images
from libml.errors import UserError
from libml.images import encode_png
from tests.support import ROOT, deadly, programs
from tests.support.images import blobs

SCRIPT = ROOT / "scripts" / "create_datasets.py"
PROGRAM = [sys.executable, str(SCRIPT)]
run, mistake = (functools.partial(how, SCRIPT) for how in (programs.start, programs.mistake))


def make(source, place, name="pets", workers=1, test_fraction=0.2, overwrite=False, **options):
    return folder.make(
        str(source), name, str(place), pictures.PictureOptions(**options), test_fraction, workers, overwrite
    )


def write_pictures(place: Path, count: int, size: int = 32, seed: int = 0) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(blobs(count, size, seed=seed)):
        (place / f"{i:05d}.png").write_bytes(encode_png(image))


def stored(place: Path, split: str, name: str = "pets") -> list[tuple[np.ndarray, int]]:
    """(uint8 image, label) of every record of a split."""
    found = []
    for entry in manifest.load(place, name)["splits"][split]["files"]:
        for record in tf.data.TFRecordDataset(str(place / entry["file"])).as_numpy_iterator():
            feature = tf.train.Example.FromString(record).features.feature
            image = np.asarray(Image.open(io.BytesIO(feature["image"].bytes_list.value[0])))
            found.append((image, feature["label"].int64_list.value[0]))
    return found


def huge_png() -> bytes:
    """A PNG header that promises 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def build_zoo(zoo: Path) -> tuple[set[str], dict[str, str]]:
    """Fills a folder; returns the good files and, of the bad ones, what their report says."""
    zoo.mkdir()
    images = iter(blobs(60, 48, seed=5))
    good = set()

    def save(name: str, image: Image.Image | None = None, mode: str = "RGB", **options) -> Path:
        image = image or Image.fromarray(next(images)).convert(mode)
        path = zoo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path, **options)
        good.add(name)
        return path

    for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        save(f"png_{mode}.png", mode=mode)
    save("palette_transparent.png", mode="P", transparency=3)
    save("grey_transparent.png", mode="L", transparency=3)
    save("interlaced.png", mode="RGB", interlace=1)
    for mode in ("L", "RGB", "CMYK"):
        save(f"jpeg_{mode}.jpg", mode=mode)
    save("progressive.jpeg", progressive=True)
    save("grey.JPG", mode="L")
    save("webp.webp"), save("webp_lossless.webp", mode="RGBA", lossless=True)
    for mode in ("1", "L", "P", "RGB"):
        save(f"bmp_{mode}.bmp", mode=mode)
    for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr"):
        save(f"tiff_{mode}.tif", mode=mode)
    save("tiff_lzw.tiff", compression="tiff_lzw")
    save("first.gif", mode="P")
    frames = [Image.fromarray(next(images)) for _ in range(3)]
    save("frames.gif", frames[0], save_all=True, append_images=frames[1:])
    save("frames.webp", frames[1], save_all=True, append_images=frames[2:])
    ramp = np.add.outer(np.arange(48), 2 * np.arange(48))
    save("16bit.png", Image.fromarray((ramp * 400).astype(np.uint16)))
    save("16bit.tif", Image.fromarray((ramp * 300).astype(np.uint16)))
    save("32bit.tif", Image.fromarray((ramp * 200).astype(np.int32)))
    save("float.tif", Image.fromarray((ramp / 200).astype(np.float32)))
    for orientation in (3, 6):
        exif = Image.Exif()
        exif[0x0112] = orientation
        save(f"turned{orientation}.jpg", exif=exif.tobytes())
    save("damaged_exif.jpg", exif=b"Exif\0\0no exif at all")
    save("with space and (brackets).png")
    save("ünï_çødé_猫.png")
    save("new\nline.png")
    save("deep/er/still/picture.png"), save("wide.png", Image.fromarray(next(images)).resize((200, 20)))
    save("one_pixel_high.png", Image.fromarray(next(images)).crop((0, 20, 48, 21)))
    save("png_called.jpg", format="PNG")
    (zoo / "linked.png").symlink_to(save("outside.png"))
    shutil.copy(zoo / "png_RGB.png", zoo / "copy.png")
    save("png_RGB_as.bmp", Image.open(zoo / "png_RGB.png"))
    good -= {"png_RGB_as.bmp"}  # the same pixels again
    (zoo / "loop").symlink_to(zoo, target_is_directory=True)
    (zoo / "deep" / "up").symlink_to("..", target_is_directory=True)
    Image.new("RGB", (40, 40), (200, 10, 10)).save(zoo / "red.png")
    good.add("red.png")
    (zoo / ".hidden.png").write_bytes(b"")
    (zoo / "README.txt").write_text("no picture")

    bad = {
        "truncated.jpg": "truncated",
        "truncated.png": "",
        "truncated.webp": "",
        "empty.jpg": "is empty",
        "text.jpg": "is no PNG, JPEG, WebP",
        "zeros.gif": "is no PNG, JPEG, WebP",
        "huge.png": "60000 x 60000 pixels",
        "dangling.png": "No such file",
        "itself.png": "symbolic links",
        "pipe.png": "no regular file",
        "phone.heic": "pillow-heif",
        "negative.tif": "range is unknown",
    }
    for name in ("truncated.jpg", "truncated.png", "truncated.webp"):
        buffer = io.BytesIO()
        noise = np.random.default_rng(1).integers(0, 256, [64, 64, 3], np.uint8)
        Image.fromarray(noise).save(buffer, format={"jpg": "JPEG"}.get(name[-3:], name.split(".")[1].upper()))
        (zoo / name).write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    (zoo / "empty.jpg").touch()
    (zoo / "text.jpg").write_text("this is a text, whatever its name says")
    (zoo / "zeros.gif").write_bytes(bytes(1000))
    (zoo / "huge.png").write_bytes(huge_png())
    (zoo / "dangling.png").symlink_to("nowhere.png")
    (zoo / "itself.png").symlink_to("itself.png")
    os.mkfifo(zoo / "pipe.png")
    (zoo / "phone.heic").write_bytes(b"....ftypheic")
    Image.fromarray((ramp - 50.0).astype(np.float32)).save(zoo / "negative.tif")
    return good, bad


def test_zoo(tmp_path):
    good, bad = build_zoo(tmp_path / "zoo")
    assert len(good) + len(bad) >= 40
    locked = tmp_path / "zoo" / "locked.png"
    locked.write_bytes(encode_png(blobs(1, seed=9)[0]))
    locked.chmod(0)
    command = [*PROGRAM, f"--folder={tmp_path / 'zoo'}", "--name=zoo", f"--data_dir={tmp_path}", "--workers=2"]
    if os.geteuid() == 0 and shutil.which("setpriv"):  # root reads whatever it likes unless it gives that up
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
        bad["locked.png"] = "Permission denied"
    elif os.geteuid():
        bad["locked.png"] = "Permission denied"
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 3, done.stderr
    assert done.stdout.startswith(f"wrote {tmp_path}/zoo.json: ")
    report = [line.split("\t") for line in (tmp_path / "zoo-report.txt").read_text().splitlines()]
    unusable = {path: reason for kind, path, reason in report if kind == "unusable"}
    assert unusable.keys() == bad.keys()
    for path, reason in bad.items():
        assert reason in unusable[path]
        assert f"unusable: {path}: {unusable[path]}" in done.stderr
    content = manifest.load(tmp_path, "zoo")
    kept = sum(manifest.count(content, split) for split in ("train", "test"))
    assert kept == len(good) and content["report"]["duplicate"] == 3
    assert {path for kind, path, _ in report if kind == "flat"} >= {"red.png"}
    assert "Traceback" not in done.stderr
    check.check(str(tmp_path), "zoo")


def read(path: Path, **options) -> pictures.StoredPicture:
    return pictures.read(path.name, str(path.parent), pictures.PictureOptions(**options))


def pixels(picture: pictures.StoredPicture) -> np.ndarray:
    assert not picture.problem, picture.problem
    return np.asarray(Image.open(io.BytesIO(picture.png)))


def test_pixels_of_each_mode(tmp_path):
    image = blobs(1, 40)[0]
    path = tmp_path / "a.png"
    Image.fromarray(image).save(path)
    np.testing.assert_array_equal(pixels(read(path)), image)
    clear = np.concatenate([image, np.zeros([40, 40, 1], np.uint8)], -1)
    clear[:20, :, 3] = 255
    Image.fromarray(clear).save(path)
    for background in ((255, 255, 255), (0, 128, 255)):
        made = pixels(read(path, background=background))
        np.testing.assert_array_equal(made[:20], image[:20])
        assert (made[20:] == background).all()
    grey = image[..., 0]
    Image.fromarray(grey.astype(np.uint16) * 257).save(path)
    np.testing.assert_array_equal(pixels(read(path)), np.repeat(grey[..., None], 3, -1))
    Image.fromarray(grey / np.float32(255)).save(path.with_suffix(".tif"))
    np.testing.assert_array_equal(pixels(read(path.with_suffix(".tif"))), np.repeat(grey[..., None], 3, -1))


@pytest.mark.parametrize("mode, most", [("RGB", 5), ("RGBA", 9), ("I;16", 8)])
def test_a_large_picture_is_in_memory_once_or_twice(tmp_path, mode, most):
    """Bytes a pixel; Pillow itself takes 4 for RGB and RGBA, 2 for 16 bits of grey."""
    size = (6000, 4000)
    Image.new(mode, size).save(tmp_path / "a.png", compress_level=1)
    code = """if True:
        import re, sys
        from libml.datasets.making import pictures
        peak = lambda: 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
        before = peak()
        assert pictures.read("a.png", sys.argv[1], pictures.PictureOptions()).shape == (512, 512)
        print(peak() - before)
        """
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) / (size[0] * size[1]) < most


def test_exif_orientation_is_applied(tmp_path):
    image = np.zeros([40, 60, 3], np.uint8)
    image[:, :30] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright: turn clockwise
    Image.fromarray(image).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(pixels(read(tmp_path / "a.png", crop="none")), np.rot90(image, -1))


def test_crops_and_sizes(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, [40, 80, 3], np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    np.testing.assert_array_equal(pixels(read(tmp_path / "a.png")), image[:, 20:60])
    halves = image.reshape(20, 2, 40, 2, 3).mean((1, 3))
    np.testing.assert_allclose(pixels(read(tmp_path / "a.png", size=20, crop="none")), halves, atol=1.01)
    np.testing.assert_allclose(pixels(read(tmp_path / "a.png", size=20)), halves[:, 10:30], atol=1.01)
    squashed = image.reshape(20, 2, 20, 4, 3).mean((1, 3))
    np.testing.assert_allclose(pixels(read(tmp_path / "a.png", size=20, crop="squash")), squashed, atol=1.01)
    assert read(tmp_path / "a.png", min_size=41).small == "80 x 40"
    assert read(tmp_path / "a.png", min_size=40).shape == (40, 40)


def test_split_depends_on_the_content_alone(tmp_path):
    write_pictures(tmp_path / "few", 30)
    make(tmp_path / "few", tmp_path / "a")
    write_pictures(tmp_path / "many", 60, seed=3)
    for i, picture in enumerate(sorted((tmp_path / "few").iterdir())):  # the same ones under other names and formats
        Image.open(picture).save(tmp_path / "many" / f"x{29 - i}.bmp")
    make(tmp_path / "many", tmp_path / "b", workers=2)
    for split in ("train", "test"):
        before, after = ({image.tobytes() for image, _ in stored(tmp_path / p, split)} for p in "ab")
        assert before and before < after


def test_labels_are_the_top_folders(tmp_path):
    write_pictures(tmp_path / "pics" / "cat" / "grey", 6)
    write_pictures(tmp_path / "pics" / "dog", 8, seed=1)
    content = make(tmp_path / "pics", tmp_path)
    assert content["labels"] == ["cat", "dog"]
    labels = [label for split in ("train", "test") for _, label in stored(tmp_path, split)]
    assert sorted(labels) == [0] * 6 + [1] * 8


def test_files_are_the_same_whatever_the_workers(tmp_path, monkeypatch):
    monkeypatch.setattr(build, "SHARD_BYTES", 8000)
    write_pictures(tmp_path / "pics", 40)
    (tmp_path / "pics" / "bad.png").write_text("bad")
    for workers in (1, 2, 3):
        make(tmp_path / "pics", tmp_path / str(workers), workers=workers)
    files = sorted(f.name for f in (tmp_path / "1").iterdir())
    assert len(files) > 5 and any(f.startswith("pets-train-00000-of-") for f in files)
    for workers in (2, 3):
        assert sorted(f.name for f in (tmp_path / str(workers)).iterdir()) == files
        for file in files:
            assert (tmp_path / str(workers) / file).read_bytes() == (tmp_path / "1" / file).read_bytes()
    check.check(str(tmp_path / "1"), "pets")
    images = Images(data.lookup("pets16", tmp_path / "1"), tmp_path / "1")
    assert images.counts == [manifest.count(manifest.load(tmp_path / "1", "pets"), "train")]


def test_own_datasets_are_looked_up_by_size(tmp_path):
    write_pictures(tmp_path / "pics", 20, size=40)
    make(tmp_path / "pics", tmp_path)
    dataset = data.lookup("pets24", tmp_path)
    assert dataset.size == 24 and dataset.colors == 3 and dataset.flip
    images = Images(dataset, tmp_path)
    _, lores, hires = next(iter(images.batches(batch=4, scale=4, downscaler="average", seed=0)))
    assert lores.shape == (4, 6, 6, 3) and hires.shape == (4, 24, 24, 3)
    assert len(images.test_images()) == manifest.count(manifest.load(tmp_path, "pets"), "test")
    for name, said in [
        ("pets", "pets40"),
        ("pets41", "at most 40"),
        ("pets4", "from 8"),
        ("pest24", "mean pets24"),
    ]:
        with pytest.raises(UserError, match=said):
            data.lookup(name, tmp_path)
    for name in ("pets24", "pets24\n", "pets\n24", ""):
        with pytest.raises(UserError, match="unknown dataset"):
            data.lookup(name)


def test_complete_is_skipped_and_other_parameters_are_refused(tmp_path):
    write_pictures(tmp_path / "pics", 20)
    assert make(tmp_path / "pics", tmp_path)
    before = (tmp_path / "pets.json").stat().st_mtime_ns
    assert make(tmp_path / "pics", tmp_path) is None
    assert (tmp_path / "pets.json").stat().st_mtime_ns == before
    with pytest.raises(UserError, match=r"parameters size=512, not size=16: --overwrite"):
        make(tmp_path / "pics", tmp_path, size=16)
    assert make(tmp_path / "pics", tmp_path, size=16, overwrite=True)["image_size"]["max"] == [16, 16]
    (tmp_path / "pets-test.tfrecord").unlink()
    with pytest.raises(UserError, match=r"pets-test\.tfrecord is missing.*--overwrite"):
        make(tmp_path / "pics", tmp_path, size=16)
    assert make(tmp_path / "pics", tmp_path, size=16, overwrite=True)


def test_overwriting_leaves_no_old_shards(tmp_path, monkeypatch):
    write_pictures(tmp_path / "pics", 40)
    monkeypatch.setattr(build, "SHARD_BYTES", 8000)
    make(tmp_path / "pics", tmp_path)
    assert len(list(tmp_path.glob("pets-train-*"))) > 1
    monkeypatch.undo()
    make(tmp_path / "pics", tmp_path, overwrite=True)
    assert [f.name for f in tmp_path.glob("pets-train*")] == ["pets-train.tfrecord"]
    assert not [f for f in tmp_path.iterdir() if f.name.startswith(".")]


def test_publishing_that_was_killed_is_finished_by_the_next_run(tmp_path, monkeypatch):
    write_pictures(tmp_path / "pics", 40)
    make(tmp_path / "pics", tmp_path)
    whole = {f.name: f.read_bytes() for f in tmp_path.glob("pets*")}
    (tmp_path / ".pets.ready").mkdir()
    for name in ("pets.json", "pets-test.tfrecord"):  # as if killed between moving the training and the test images
        (tmp_path / name).rename(tmp_path / ".pets.ready" / name)
    with pytest.raises(UserError):
        Images(data.lookup("pets16", tmp_path), tmp_path)
    assert make(tmp_path / "pics", tmp_path) is None
    assert {f.name: f.read_bytes() for f in tmp_path.glob("pets*")} == whole
    assert not (tmp_path / ".pets.ready").exists()


def test_killed_then_run_again(tmp_path):
    write_pictures(tmp_path / "pics", 1500)
    arguments = [f"--folder={tmp_path / 'pics'}", "--name=pets", f"--data_dir={tmp_path}", "--workers=2"]
    started = subprocess.Popen([*PROGRAM, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    part = tmp_path / ".pets.building" / "train.0.part"
    deadline = time.monotonic() + 60
    while not part.exists() and time.monotonic() < deadline and started.poll() is None:
        time.sleep(0.01)
    started.send_signal(signal.SIGKILL)
    started.wait()
    assert part.exists() and not list(tmp_path.glob("pets*"))
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / ".pets.building").exists()
    make(tmp_path / "pics", tmp_path / "again", test_fraction=0.1)
    for file in ("pets.json", "pets-train.tfrecord", "pets-test.tfrecord"):
        assert (tmp_path / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


def test_a_program_that_is_refused_leaves_the_first_ones_work_alone(tmp_path):
    write_pictures(tmp_path / "pics", 10)
    content = make(tmp_path / "pics", tmp_path / "whole")
    writer = {}
    with build.building(tmp_path, "pets") as work:
        for split in ("train", "test"):
            writer[split] = build.SplitWriter(work, split)
            for image, label in stored(tmp_path / "whole", split):
                with pytest.raises(UserError, match="another program is making pets"):
                    make(tmp_path / "pics", tmp_path)
                writer[split].write(records.example(encode_png(image), label))
        entries = {s: w.finish(functools.partial(build.shard_names, "pets", s)) for s, w in writer.items()}
        build.publish(work, tmp_path, {**content, "splits": entries})
    check.check(str(tmp_path), "pets")
    assert [len(stored(tmp_path, split)) for split in writer] == [len(stored(tmp_path / "whole", s)) for s in writer]
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("size", [512, 16])
def test_a_set_that_another_program_made_meanwhile_is_kept(tmp_path, monkeypatch, size):
    write_pictures(tmp_path / "pics", 20)
    find = folder.find

    def late(root):
        monkeypatch.undo()
        make(tmp_path / "pics", tmp_path)  # after this one was asked for, and before it holds the lock
        return find(root)

    monkeypatch.setattr(folder, "find", late)
    if size == 512:
        assert make(tmp_path / "pics", tmp_path, size=size) is None
    else:
        with pytest.raises(UserError, match=r"size=512.*--overwrite"):
            make(tmp_path / "pics", tmp_path, size=size)
    assert manifest.load(tmp_path, "pets")["parameters"]["size"] == 512
    check.check(str(tmp_path), "pets")
    assert not list(tmp_path.glob(".*"))


def test_what_is_being_published_is_left_to_whoever_publishes_it(tmp_path):
    write_pictures(tmp_path / "pics", 20)
    make(tmp_path / "pics", tmp_path)
    with build.building(tmp_path, "pets"):
        (tmp_path / "pets.json").rename(tmp_path / "aside")
        (tmp_path / ".pets.ready").mkdir()
        (tmp_path / "aside").rename(tmp_path / ".pets.ready" / "pets.json")  # all but the last file has been moved
        for reader in (make, lambda _, place: check.check(str(place), "pets")):
            with pytest.raises(UserError, match="another program is making pets"):
                reader(tmp_path / "pics", tmp_path)
        assert [f.name for f in (tmp_path / ".pets.ready").iterdir()] == ["pets.json"]
    check.check(str(tmp_path), "pets")
    assert not list(tmp_path.glob(".*"))


def test_a_complete_set_needs_no_writing(tmp_path, monkeypatch):
    write_pictures(tmp_path / "pics", 20)
    make(tmp_path / "pics", tmp_path)
    monkeypatch.setattr(build.files, "lock_file", None)  # as on a disk that cannot be written
    assert make(tmp_path / "pics", tmp_path) is None
    check.check(str(tmp_path), "pets")


def test_a_power_cut_never_leaves_a_manifest_without_its_files(tmp_path, monkeypatch):
    """Whenever a manifest gets its name, the names and the content of all files that it lists are on the disk."""
    write_pictures(tmp_path / "pics", 40)
    monkeypatch.setattr(build, "SHARD_BYTES", 8000)
    on_disk, fsync, replace = set(), os.fsync, os.replace

    def flushed(handle):
        fsync(handle)
        path = Path(os.readlink(f"/proc/self/fd/{handle}"))
        if path.is_dir():
            on_disk.update((str(path / name)) for name in os.listdir(path))
        else:
            on_disk.add(os.fstat(handle).st_ino)

    looked_at = []

    def renamed(source, target):
        if Path(target) in (tmp_path / "pets.json", tmp_path / ".pets.ready"):
            place = Path(source) if Path(source).is_dir() else tmp_path
            content = json.loads((place / "pets.json" if place != tmp_path else Path(source)).read_bytes())
            for shard in manifest.files(content):
                looked_at.append(place / shard["file"])
                assert str(looked_at[-1]) in on_disk and looked_at[-1].stat().st_ino in on_disk
        replace(source, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", renamed)
    content = make(tmp_path / "pics", tmp_path)
    assert len(looked_at) == 2 * len(manifest.files(content)) > 10


@pytest.mark.parametrize("workers", [1, 2])
def test_pictures_that_end_the_process_which_reads_them_cost_a_line_each(tmp_path, monkeypatch, capsys, workers):
    monkeypatch.setattr(pictures, "read", deadly.read)
    write_pictures(tmp_path / "pics", 12)
    for i, name in enumerate(["fault.png", "fault\n2.png", "hungry.png"]):
        (tmp_path / "pics" / f"{i:05d}.png").rename(tmp_path / "pics" / name)
    content = make(tmp_path / "pics", tmp_path, workers=workers)
    assert content["report"]["unusable"] == 2
    assert sum(manifest.count(content, split) for split in ("train", "test")) == 10
    report = (tmp_path / "pets-report.txt").read_text().splitlines()
    why = "ends the process that reads it (Segmentation fault)"
    assert sorted(report) == [f"unusable\tfault.png\t{why}", f"unusable\tfault\\n2.png\t{why}"]
    said = capsys.readouterr().err.splitlines()
    assert f"unusable: fault.png: {why}" in said
    assert said[-1] == "making pets: 12 of 12 pictures" and not any("|" in line for line in said)  # no bar in a log
    check.check(str(tmp_path), "pets")
    assert capsys.readouterr().err.splitlines()[-1] == "checking pets: 10 of 10 images"


@pytest.mark.parametrize("damage", ["bytes", "cut", "extra", "manifest"])
def test_check_finds_damage(tmp_path, damage):
    write_pictures(tmp_path / "pics", 20)
    make(tmp_path / "pics", tmp_path)
    check.check(str(tmp_path), "pets")
    file = tmp_path / "pets-train.tfrecord"
    content = bytearray(file.read_bytes())
    if damage == "bytes":
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    elif damage == "cut":
        file.write_bytes(content[:-7])
    elif damage == "extra":
        shutil.copy(file, tmp_path / "pets-train-00000-of-00001.tfrecord")
    else:
        changed = json.loads((tmp_path / "pets.json").read_text())
        changed["splits"]["train"]["files"][0]["sha256"] = "0" * 64
        (tmp_path / "pets.json").write_text(json.dumps(changed))
    said = {"bytes": "damaged at record", "cut": "bytes instead of", "extra": "none of", "manifest": "SHA-256"}
    with pytest.raises(UserError, match=said[damage]):
        check.check(str(tmp_path), "pets")


@pytest.mark.parametrize(
    "features, said",
    [
        ({}, "record 0 has no image"),
        ({"image": []}, "record 0 has no image"),
        ({"image": [b"x"]}, "record 0 has a damaged image"),
        ({"image": [b"x", b"y"]}, "record 0 has several images"),
    ],
)
def test_check_names_a_record_without_one_image(tmp_path, features, said):
    write_pictures(tmp_path / "pics", 20)
    make(tmp_path / "pics", tmp_path)
    lists = {name: tf.train.Feature(bytes_list=tf.train.BytesList(value=value)) for name, value in features.items()}
    record = tf.train.Example(features=tf.train.Features(feature=lists)).SerializeToString()
    file = tmp_path / "pets-train.tfrecord"
    with tf.io.TFRecordWriter(str(file)) as writer:
        writer.write(record)
    content = json.loads((tmp_path / "pets.json").read_text())
    content["splits"]["train"]["files"][0] |= {"bytes": file.stat().st_size, "records": 1}
    (tmp_path / "pets.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=said):
        check.check(str(tmp_path), "pets")


def test_check_survives_a_length_that_no_memory_could_hold(tmp_path):
    write_pictures(tmp_path / "pics", 20)
    make(tmp_path / "pics", tmp_path)
    file, length = tmp_path / "pets-train.tfrecord", struct.pack("<Q", 1 << 62)
    with tf.io.TFRecordWriter(str(tmp_path / "scratch")) as writer:
        writer.write(length)  # its checksum is that of the eight bytes
    checksum = (tmp_path / "scratch").read_bytes()[-4:]
    content = file.read_bytes()
    (size,) = struct.unpack_from("<Q", content)
    hostile = content[: size + 16] + length + checksum  # one sound record, then the promise of 4 EiB
    file.write_bytes(hostile.ljust(len(content), b"x"))
    said = mistake(f"--data_dir={tmp_path}", "--check=pets")
    assert f"{file} is cut short or no TFRecord file (at record 2)" in said


@pytest.mark.parametrize("name", ["cifar10", "celeba", "Bedroom", "lsun_tower", "all", "mnist", "svhn", "toyfaces"])
def test_names_of_built_in_datasets_are_refused(name):
    with pytest.raises(UserError):
        asked.check_name(name)


@pytest.mark.parametrize("name", ["pets2", "a/b", "", "..", "-x", "a b", "pets*"])
def test_impossible_names_are_refused(name):
    with pytest.raises(UserError, match="is made of"):
        asked.check_name(name)


def test_folders_that_make_no_dataset(tmp_path):
    with pytest.raises(UserError, match="no such folder"):
        make(tmp_path / "none", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="has no pictures"):
        make(tmp_path / "empty", tmp_path)
    (tmp_path / "empty" / "a.png").write_text("bad")
    with pytest.raises(UserError, match=r"none of the pictures can be used.*1 unusable"):
        make(tmp_path / "empty", tmp_path)
    write_pictures(tmp_path / "two", 2)
    with pytest.raises(UserError, match=r"falls into the test split: --test_fraction=0\.\d+") as error:
        make(tmp_path / "two", tmp_path, test_fraction=1e-9)
    fraction = float(str(error.value).split("--test_fraction=")[1].split()[0])
    assert make(tmp_path / "two", tmp_path, test_fraction=fraction)
    write_pictures(tmp_path / "one", 1)
    with pytest.raises(UserError, match="more pictures"):
        make(tmp_path / "one", tmp_path, name="one", test_fraction=1e-9)
    assert not list(tmp_path.glob("one*.*")) and not list(tmp_path.glob(".*"))


def test_files_in_the_way_are_kept(tmp_path):
    write_pictures(tmp_path / "pics", 20)
    for name in ("pets-train.tfrecord", "pets.json"):
        (tmp_path / name).write_text("mine")
        with pytest.raises(UserError, match="in the way"):
            make(tmp_path / "pics", tmp_path)
        assert (tmp_path / name).read_text() == "mine"
        (tmp_path / name).unlink()


def test_programs_mistakes_are_one_line(tmp_path):
    write_pictures(tmp_path / "pics", 20)
    own = [f"--folder={tmp_path / 'pics'}", f"--data_dir={tmp_path}"]
    for arguments, said in [
        ([], "nothing to make"),
        (own, "--name is missing"),
        ([*own, "--name=celeba"], "built-in"),
        ([*own, "--name=pets", "--size=1"], "--size=1"),
        ([*own, "--name=pets", "--test_fraction=1"], "--test_fraction=1"),
        ([*own, "--name=pets", "--background=whitish"], "--background=whitish"),
        ([f"--data_dir={tmp_path}", "--check=pets"], "no manifest"),
        (["--folder=/nowhere", "--name=pets"], "no such folder"),
        (
            [f"--folder={tmp_path / 'pics'}", "--name=pets", "--data_dir=/proc/none"],
            "--data_dir: cannot write into /proc",
        ),
    ]:
        assert said in mistake(*arguments)


def test_manifests_know_the_files_content(tmp_path):
    write_pictures(tmp_path / "pics", 30)
    content = make(tmp_path / "pics", tmp_path)
    assert sum(entry["images"] for entry in content["splits"].values()) == 30
    for shard in manifest.files(content):
        data = (tmp_path / shard["file"]).read_bytes()
        assert (shard["bytes"], shard["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
