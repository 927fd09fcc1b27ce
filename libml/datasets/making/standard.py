"""The standard datasets: of files at hand, or fetched by TensorFlow Datasets (TFDS)."""

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

from libml.datasets import manifest, records
from libml.datasets.making import build, lsun
from libml.datasets.originals import by_hand
from libml.datasets.originals.celeba_lists import ATTRIBUTE_NAMES
from libml.datasets.originals.sources import Differences, Originals, Split, decodable
from libml.errors import UserError, reason

IMAGENET_SHARDS = {"train": 1024, "validation": 128}


def _labelled(features: dict[str, Any]) -> bytes:
    return records.example(features["image"], int(features.get("label", 0)))


def _celeba(features: dict[str, Any]) -> bytes:
    floats = {}
    if "attributes" in features:
        floats["attrs"] = [float(features["attributes"][name]) for name in ATTRIBUTE_NAMES]
    identity = int(features["identity"]["Identity_No"]) if "identity" in features else 1
    return records.example(features["image"], identity - 1, **floats)


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


def make(name: str, data_dir: str, tfds_dir: str, overwrite: bool, source: str = "") -> dict[str, Any] | None:
    """Makes one standard set.

    Args:
        name: one of sets().
        data_dir: where to put it.
        tfds_dir: where TFDS keeps its downloads and its own copy.
        overwrite: make it again where it is complete.
        source: file or folder of the original files; '' fetches them.

    Returns:
        The manifest, or None if the dataset was complete.

    Raises:
        UserError: if the originals are not there; if they cannot be fetched, saying what to fetch by hand and where to
            put it; if files are in the way, or the file system refuses.
    """
    standard, place = sets()[name], Path(data_dir)
    made = (place, name, list(standard.splits), {}, overwrite)
    if build.already_complete(*made):
        return None
    originals = by_hand.read(name, source) if source else None
    with build.building(place, name) as work:
        if build.already_complete(*made):  # another program made it meanwhile
            return None
        content = write(originals or fetched(standard, tfds_dir), standard, work)
        build.publish(work, place, content)
    return content


def fetched(standard: Standard, tfds_dir: str) -> Originals:
    """A standard set through TFDS.

    Raises:
        UserError: if it cannot be fetched, saying what to fetch by hand and where to put it.
    """
    for package in ("importlib_resources", *standard.needs):  # TFDS imports these when it is too late for a good word
        try:
            importlib.import_module(package)
        except ImportError:
            raise UserError(
                f"{standard.name}: TensorFlow Datasets needs the package {package}: pip install {package}"
            ) from None
    with _fetching(standard, tfds_dir):
        import tensorflow_datasets as tfds

        logging.getLogger("urllib3").setLevel(logging.ERROR)
        builder = tfds.builder(standard.tfds, data_dir=tfds_dir)
        if standard.tfds.startswith("lsun/"):
            lsun.use_lmdb(builder)
        builder.download_and_prepare()
    return prepared(builder, standard)


def prepared(builder: Any, standard: Standard) -> Originals:
    """What a prepared TFDS builder has.

    Raises:
        UserError: if it lacks a split.
    """
    streams = {source: _encoded(builder, source) for sources in standard.splits.values() for source in sources}
    splits = {source: Split(len(stream), stream.as_numpy_iterator) for source, stream in streams.items()}
    return Originals(
        f"TensorFlow Datasets {builder.name} {builder.version}", splits, _image_size(builder), Differences()
    )


def write(originals: Originals, standard: Standard, work: Path) -> dict[str, Any]:
    """Writes all splits of a standard set into a build's folder.

    Returns:
        The manifest.

    Raises:
        UserError: if a split is missing or has too few images, or the file system refuses.
    """
    with contextlib.closing(tqdm.tqdm(desc=f"writing {standard.name}", unit="image")) as bar:
        splits = {split: _write_split(originals, standard, split, work, bar) for split in standard.splits}
    content = {
        "format": manifest.FORMAT,
        "name": standard.name,
        "kind": manifest.STANDARD,
        "source": originals.source,
        "colors": standard.colors,
        "image_size": originals.image_size,
        "labels": standard.label,
        "split_rule": {split: " + ".join(sources) for split, sources in standard.splits.items()},
        "splits": splits,
        "versions": manifest.versions("tensorflow", "tensorflow-datasets"),
    }
    differences = originals.differences.lines()
    return content | ({"differences": differences} if differences else {})


def _image_size(builder: Any) -> dict[str, Any]:
    height, width, _ = builder.info.features["image"].shape or (None, None, None)
    return {"min": [height, width], "max": [height, width]} if height and width else {"any": True}


def _write_split(originals: Originals, standard: Standard, split: str, work: Path, bar: tqdm.tqdm) -> dict[str, Any]:
    sources = [originals.splits[source] for source in standard.splits[split]]
    total = sum(source.count for source in sources)
    bar.total = (bar.total or 0) + total
    shards = IMAGENET_SHARDS.get(split, 0) if standard.name == "imagenet" else 0
    if not total or total < shards:
        raise UserError(f"{standard.name}: {originals.source} has {total} images of the split {split}: too few")
    seen = 0  # images, those included that are left out
    new_shard = (lambda *_: (seen - 1) * shards // total >= writer.shards) if shards else None
    writer = build.SplitWriter(work, split, new_shard)
    try:
        for source in sources:
            for features in source.images():
                seen += 1
                bar.update()
                if features is not None:
                    image = decodable(features["image"], originals.differences)
                    writer.write(standard.example({**features, "image": image}))
    finally:
        writer.abandon()
    if writer.shards < max(shards, 1):
        why = "; ".join(originals.differences.lines())
        raise UserError(f"{standard.name}: too few images of the split {split} can be used ({why}): nothing was made")
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
        raise UserError(f"{builder.name}: TensorFlow Datasets made no split {split}: {reason(e)}") from e


@contextlib.contextmanager
def _fetching(standard: Standard, tfds_dir: str) -> Iterator[None]:
    """Turns whatever TFDS raises while it fetches into one line that says what to fetch and where to put it."""
    try:
        yield
    except (UserError, KeyboardInterrupt):
        raise
    except Exception as e:  # from sockets, archives, checksums, and its own
        raise UserError(f"{standard.name} could not be fetched: {reason(e)}; {_by_hand(standard, tfds_dir)}") from e


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
