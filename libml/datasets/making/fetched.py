"""Standard sets as TensorFlow Datasets (TFDS) fetches them."""

import contextlib
import importlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from libml.datasets.catalogue import Standard
from libml.datasets.originals import lsun
from libml.datasets.originals.sources import Differences, Originals, Split
from libml.errors import UserError, reason


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


def _image_size(builder: Any) -> dict[str, Any]:
    height, width, _ = builder.info.features["image"].shape or (None, None, None)
    return {"min": [height, width], "max": [height, width]} if height and width else {"any": True}


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
    if standard.by_hand:
        return standard.by_hand.format(place=place)
    import tensorflow_datasets as tfds

    infos = tfds.builder(standard.tfds, data_dir=tfds_dir).url_infos
    category = standard.tfds.partition("/")[2]
    wanted = [f"{url} as {info.filename}" for url, info in infos.items() if info.filename.startswith(category)]
    return f"try again later, or fetch {', '.join(wanted)} into {place}"
