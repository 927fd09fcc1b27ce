"""The standard datasets, fetched by TensorFlow Datasets (TFDS) and written in the layout that libml.data reads."""

import contextlib
import dataclasses
import functools
import importlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf
import tqdm

from libml.datasets import build, lsun, manifest, records
from libml.errors import UserError

# The order of CelebA's list_attr_celeba.txt.
CELEBA_ATTRIBUTES = (
    *("5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs", "Big_Lips", "Big_Nose"),
    *("Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair", "Bushy_Eyebrows", "Chubby", "Double_Chin", "Eyeglasses"),
    *("Goatee", "Gray_Hair", "Heavy_Makeup", "High_Cheekbones", "Male", "Mouth_Slightly_Open", "Mustache"),
    *("Narrow_Eyes", "No_Beard", "Oval_Face", "Pale_Skin", "Pointy_Nose", "Receding_Hairline", "Rosy_Cheeks"),
    *("Sideburns", "Smiling", "Straight_Hair", "Wavy_Hair", "Wearing_Earrings", "Wearing_Hat", "Wearing_Lipstick"),
    *("Wearing_Necklace", "Wearing_Necktie", "Young"),
)
IMAGENET_SHARDS = {"train": 1024, "validation": 128}


def _labelled(features: dict[str, Any]) -> bytes:
    return records.example(features["image"], int(features.get("label", 0)))


def _celeba(features: dict[str, Any]) -> bytes:
    attributes = [float(features["attributes"][name]) for name in CELEBA_ATTRIBUTES]
    identity = int(features["identity"]["Identity_No"]) if "identity" in features else 1
    return records.example(features["image"], identity - 1, attrs=attributes)


def _imagenet(features: dict[str, Any]) -> bytes:
    feature = {
        "image/encoded": tf.train.Feature(bytes_list=tf.train.BytesList(value=[features["image"]])),
        "image/class/label": tf.train.Feature(int64_list=tf.train.Int64List(value=[int(features["label"]) + 1])),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString(deterministic=True)


@dataclasses.dataclass(frozen=True)
class Standard:
    """How a standard set is made."""

    name: str
    tfds: str  # its name there
    splits: dict[str, tuple[str, ...]]  # split -> TFDS's splits
    example: Callable[[dict[str, Any]], bytes] = _labelled  # from TFDS's features, images still encoded
    label: str = "class"
    colors: int = 3
    needs: tuple[str, ...] = ()  # packages that TFDS needs for this one


def sets() -> dict[str, Standard]:
    """All standard sets by name."""
    usual = {"train": ("train",), "test": ("test",)}
    lsun_splits = {"train": ("train",), "val": ("validation",)}
    found = [
        Standard("cifar10", "cifar10", usual),
        Standard("mnist", "mnist", usual, colors=1),
        Standard("svhn", "svhn_cropped", {**usual, "extra": ("extra",)}, needs=("scipy",)),
        Standard(
            *("celeba", "celeb_a", {"train": ("train", "validation"), "test": ("test",)}, _celeba),
            label="identity - 1, or 0 where this version of TFDS knows no identities",
        ),
        *(Standard(f"lsun_{c}", f"lsun/{c}", lsun_splits, label="none: 0", needs=("lmdb",)) for c in lsun.CATEGORIES),
        Standard(
            *("imagenet", "imagenet2012", {split: (split,) for split in IMAGENET_SHARDS}, _imagenet),
            label="class, from 1 to 1000",
        ),
    ]
    return {standard.name: standard for standard in found}


def expand(wanted: list[str]) -> list[str]:
    """Names to make, each once: `all` is every standard set, `lsun` its ten categories.

    Raises:
        UserError: for a name that is no standard set.
    """
    known = list(sets())
    groups = {"all": known, "lsun": [name for name in known if name.startswith("lsun_")]}
    chosen = []
    for name in wanted:
        if name not in groups and name not in known:
            raise UserError(
                f"{name} is no standard dataset: choose from {', '.join([*known, *groups])}; or --input=PICTURES "
                "--name=NAME for pictures of your own"
            )
        chosen += groups.get(name, [name])
    return list(dict.fromkeys(chosen))


def make(name: str, data_dir: str, tfds_dir: str, overwrite: bool) -> dict[str, Any] | None:
    """Makes one standard set.

    Args:
        name: one of sets().
        data_dir: where to put it.
        tfds_dir: where TFDS keeps its downloads and its own copy.
        overwrite: make it again where it is complete.

    Returns:
        The manifest, or None if the dataset was complete.

    Raises:
        UserError: if it cannot be fetched, saying what to fetch by hand and where to put it; if files are in the
            way, or the file system refuses.
    """
    standard, place = sets()[name], Path(data_dir)
    made = (place, name, list(standard.splits), {}, overwrite)
    if build.already_complete(*made):
        return None
    for package in ("importlib_resources", *standard.needs):  # TFDS imports these when it is too late for a good word
        try:
            importlib.import_module(package)
        except ImportError:
            raise UserError(f"{name}: TensorFlow Datasets needs the package {package}: pip install {package}") from None
    with build.building(place, name) as work:
        if build.already_complete(*made):  # another program made it meanwhile
            return None
        with _fetching(standard, tfds_dir):
            import tensorflow_datasets as tfds

            logging.getLogger("urllib3").setLevel(logging.ERROR)
            builder = tfds.builder(standard.tfds, data_dir=tfds_dir)
            if standard.tfds.startswith("lsun/"):
                lsun.use_lmdb(builder)
            builder.download_and_prepare()
        content = write(builder, standard, work)
        build.publish(work, place, content)
    return content


def write(builder: Any, standard: Standard, work: Path) -> dict[str, Any]:
    """Writes all splits of a prepared TFDS builder into a build's folder.

    Returns:
        The manifest.

    Raises:
        UserError: if the builder lacks a split, or the file system refuses.
    """
    with contextlib.closing(tqdm.tqdm(desc=f"writing {standard.name}", unit="image")) as bar:
        splits = {split: _write_split(builder, standard, split, work, bar) for split in standard.splits}
    return {
        "format": manifest.FORMAT,
        "name": standard.name,
        "kind": manifest.STANDARD,
        "source": f"TensorFlow Datasets {builder.name} {builder.version}",
        "colors": standard.colors,
        "image_size": _image_size(builder),
        "labels": standard.label,
        "split_rule": {split: " + ".join(sources) for split, sources in standard.splits.items()},
        "splits": splits,
        "versions": manifest.versions("tensorflow", "tensorflow-datasets"),
    }


def _image_size(builder: Any) -> dict[str, Any]:
    height, width, _ = builder.info.features["image"].shape or (None, None, None)
    return {"min": [height, width], "max": [height, width]} if height and width else {"any": True}


def _write_split(builder: Any, standard: Standard, split: str, work: Path, bar: tqdm.tqdm) -> dict[str, Any]:
    streams = [_encoded(builder, source) for source in standard.splits[split]]
    total = sum(len(stream) for stream in streams)
    bar.total = (bar.total or 0) + total
    shards = IMAGENET_SHARDS.get(split, 0) if standard.name == "imagenet" else 0
    if not total or total < shards:
        raise UserError(f"{standard.name}: TensorFlow Datasets has {total} images of its split {split}: too few")
    new_shard = (lambda done, _: done * shards // total > (done - 1) * shards // total) if shards else None
    writer = build.SplitWriter(work, split, new_shard)
    try:
        for stream in streams:
            for features in stream.as_numpy_iterator():
                writer.write(standard.example(features))
                bar.update()
    finally:
        writer.abandon()
    names = functools.partial(build.shard_names, standard.name, split)
    return writer.finish(functools.partial(_imagenet_names, split) if shards else names)


def _imagenet_names(split: str, shards: int) -> list[str]:
    return [f"imagenet-2012-tfrecord/{split}-{i:05d}-of-{shards:05d}" for i in range(shards)]


def _encoded(builder: Any, split: str) -> tf.data.Dataset:
    """One of TFDS's splits in the order of its files, images as the bytes they are stored in."""
    import tensorflow_datasets as tfds

    one_by_one = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
    decoders = {"image": tfds.decode.SkipDecoding()}
    try:
        return builder.as_dataset(split=split, decoders=decoders, read_config=one_by_one, shuffle_files=False)
    except ValueError as e:
        raise UserError(f"{builder.name}: TensorFlow Datasets made no split {split}: {_one_line(e)}") from e


@contextlib.contextmanager
def _fetching(standard: Standard, tfds_dir: str) -> Iterator[None]:
    """Turns whatever TFDS raises while it fetches into one line that says what to fetch and where to put it."""
    try:
        yield
    except (UserError, KeyboardInterrupt):
        raise
    except Exception as e:  # from sockets, archives, checksums, and its own
        raise UserError(f"{standard.name} could not be fetched: {_one_line(e)}; {_by_hand(standard, tfds_dir)}") from e


def _by_hand(standard: Standard, tfds_dir: str) -> str:
    """What a user can do who has a browser."""
    place = Path(tfds_dir).expanduser() / "downloads" / "manual"
    if standard.name == "imagenet":
        return (
            f"put ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar into {place} (their licence needs an account at "
            "https://image-net.org/download-images)"
        )
    import tensorflow_datasets as tfds

    infos = tfds.builder(standard.tfds, data_dir=tfds_dir).url_infos
    category = standard.tfds.partition("/")[2]
    wanted = [f"{url} as {info.filename}" for url, info in infos.items() if info.filename.startswith(category)]
    return f"try again later, or fetch {', '.join(wanted)} into {place}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
