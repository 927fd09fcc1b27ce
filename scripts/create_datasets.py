"""Makes datasets: standard ones, or one of any folder of pictures.

python scripts/create_datasets.py celeba svhn
python scripts/create_datasets.py celeba --from=img_align_celeba
python scripts/create_datasets.py --input=PICTURES --name=pets
python scripts/create_datasets.py --parquet=FOLDER --name=pets
python scripts/create_datasets.py --check=pets

Exit status: 0 if all went well; 3 if a dataset was made, but some files of the folder could not be read; 1 for a
mistake, or if a dataset could not be made; 130 or 143 if stopped by Ctrl-C or SIGTERM.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
if __name__ == "__main__":  # before imports that take time, or may be missing
    from libml.system import entry

    entry.begin()

from typing import Any

from absl import flags

from libml import app
from libml.errors import UserError
from libml.system import outputs
from libml.system.store_path import StorePath, local_only, to_path

FLAGS = flags.FLAGS
flags.DEFINE_string("data_dir", app.default_data_dir(), "Folder of the datasets; by default $ML_DATA, then ./data.")
flags.DEFINE_string("tfds_dir", "", "Where TensorFlow Datasets keeps its files; by default tfds in the data folder.")
flags.DEFINE_boolean("overwrite", False, "Make again what is complete, or replace files of other makes.")
flags.DEFINE_boolean("update", False, "Add what --input has and the complete dataset lacks; only that is decoded.")
flags.DEFINE_string("from", "", "File or folder that has a standard set's original files; by default they are fetched.")
flags.DEFINE_string("check", "", "Name of a dataset to read back and verify.")
flags.DEFINE_string("input", "", "Folder of pictures to make a dataset of, with all folders below it.")
flags.DEFINE_string("parquet", "", "Folder of a dataset hub's Parquet files to make a dataset of.")
flags.DEFINE_string("name", "", "Name of the dataset made of --input or --parquet.")
flags.DEFINE_integer("size", 512, "Stored size: larger pictures are reduced to it, smaller ones kept.")
flags.DEFINE_enum("crop", "center", ["center", "squash", "none"], "How pictures become square; none: when read.")
flags.DEFINE_integer("min_size", 1, "Pictures with a shorter side are left out.")
flags.DEFINE_string("background", "white", "Colour behind transparent pixels: a name, or as #ff8800.")
flags.DEFINE_float("test_fraction", 0.1, "Share of the pictures that become test images.")
flags.DEFINE_integer("workers", 0, "Processes that read pictures; 0: one a core.")
flags.DEFINE_alias("folder", "input")

READ_WITH_PROBLEMS = 3


def main(names: list[str]) -> int:
    """Checks what is asked for, then does it; returns the exit status."""
    for flag in ("input", "parquet", "from", "tfds_dir"):
        local_only(flag, FLAGS[flag].value)
    if FLAGS["check"].present and not FLAGS.check:
        raise UserError("--check= is empty: name the dataset to verify, as in --check=pets")
    if FLAGS.check:
        return check()
    if FLAGS.input or FLAGS.parquet or FLAGS.name:
        if names:
            raise UserError(f"make {names[0]} in a run of its own, without --input and --name")
        if FLAGS["from"].value:
            raise UserError("--from is for the original files of a standard set: name the set, without --input")
        return make_from_folder()
    if FLAGS.update:
        raise UserError("--update adds pictures to a dataset of your own: give --input and --name")
    if not names:
        if FLAGS["from"].value:
            raise UserError("--from needs the name of a standard set, as in celeba --from=PATH")
        raise UserError("nothing to make: name standard datasets, or give --input and --name; see --help")
    return make_standard(names)


def check_place(name: str) -> None:
    """Refuses a data folder that cannot be written into, unless there is nothing to make.

    Raises:
        UserError: saying why.
    """
    from libml.datasets import manifest

    if FLAGS.overwrite or FLAGS.update or not manifest.path(FLAGS.data_dir, name).is_file():
        outputs.check_place("data_dir", to_path(FLAGS.data_dir).absolute())


def check() -> int:
    """--check."""
    from libml.datasets.making import asked

    asked.check_made(FLAGS.data_dir, FLAGS.check)
    with app.importing():  # TensorFlow
        from libml.datasets.making.check import check

    content = check(FLAGS.data_dir, FLAGS.check)
    print(f"{FLAGS.check} is whole: {summary(content)}")
    return 0


def make_from_folder() -> int:
    """--input and --name."""
    options = folder_options()
    check_place(FLAGS.name)
    with app.importing():  # TensorFlow
        from libml.datasets import manifest
        from libml.datasets.making import folder

    arguments = (FLAGS.test_fraction, FLAGS.workers, FLAGS.overwrite, bool(FLAGS.parquet), FLAGS.update)
    content = folder.make(FLAGS.parquet or FLAGS.input, FLAGS.name, FLAGS.data_dir, options, *arguments)
    if content is None:
        what = "has all that is there" if FLAGS.update else "is complete"
        print(f"{FLAGS.name} {what}; --overwrite makes it again")
        return 0
    counts = content["report"]
    size = manifest.training_side(content)
    made = manifest.path(FLAGS.data_dir, FLAGS.name)
    print(f"wrote {made}: {summary(content)}; train with --dataset={FLAGS.name}{size}")
    few, total = manifest.smaller(content, size)
    if few:
        print(f"{few} of {total} images are smaller than {size} and will be enlarged; --min_size would leave them out")
    if any(counts.values()):
        said = ", ".join(f"{n} {kind}" for kind, n in counts.items() if n)
        print(f"{said}: see {os.path.join(FLAGS.data_dir, FLAGS.name)}-report.txt")
    return READ_WITH_PROBLEMS if counts["unusable"] else 0


def folder_options() -> Any:
    """How to store pictures, as the flags say.

    Raises:
        UserError: for the first flag that cannot be.
    """
    from PIL import ImageColor

    from libml.datasets.making import asked
    from libml.datasets.making.pictures import PictureOptions

    if FLAGS.input and FLAGS.parquet:
        raise UserError("--input and --parquet are two sources of pictures: make a dataset of each in a run of its own")
    if FLAGS.update and (FLAGS.overwrite or FLAGS.parquet):
        other = "--overwrite" if FLAGS.overwrite else "--parquet"
        raise UserError(f"--update adds the new pictures of --input to a dataset: leave out {other}")
    for flag in ("name",) if FLAGS.parquet else ("input", "name"):
        if not getattr(FLAGS, flag):
            raise UserError(f"--{flag} is missing: a dataset of your own needs --input=PICTURES and --name=NAME")
    asked.check_name(FLAGS.name)
    if FLAGS.input:
        asked.check_folder(FLAGS.input)
    for flag, least, most in (("size", 8, 4096), ("min_size", 1, 1 << 20), ("workers", 0, 1024)):
        if not least <= getattr(FLAGS, flag) <= most:
            raise UserError(f"--{flag}={getattr(FLAGS, flag)} must be from {least} to {most}")
    if not 0 < FLAGS.test_fraction < 1:
        raise UserError(f"--test_fraction={FLAGS.test_fraction} must lie between 0 and 1")
    try:
        background = ImageColor.getrgb(FLAGS.background)[:3]
    except ValueError:
        raise UserError(f"--background={FLAGS.background} is no colour: write a name as white, or as #ff8800") from None
    return PictureOptions(FLAGS.size, FLAGS.crop, FLAGS.min_size, background)


def make_standard(names: list[str]) -> int:
    """Each set in turn; one that fails does not keep the others from being made."""
    from libml.datasets import catalogue, manifest
    from libml.datasets.making import asked
    from libml.datasets.originals import sources

    chosen, status = asked.expand(names), 0
    if fetched := [name for name in chosen if name not in catalogue.drawn()]:
        if FLAGS["from"].value:
            sources.folder_or_file(FLAGS["from"].value)
        for name in fetched:
            check_place(name)
        with app.importing():  # TensorFlow
            from libml.datasets.making import standard
    tfds_dir = FLAGS.tfds_dir or os.path.join(FLAGS.data_dir, "tfds")
    for name in chosen:
        try:
            if name in catalogue.drawn():
                draw(name)
                continue
            if isinstance(to_path(tfds_dir), StorePath) and not FLAGS["from"].value:
                raise UserError(f"--data_dir={FLAGS.data_dir} is on a store: say where to fetch to, --tfds_dir=FOLDER")
            content = standard.make(name, FLAGS.data_dir, tfds_dir, FLAGS.overwrite, FLAGS["from"].value)
            made = content and f"wrote {manifest.path(FLAGS.data_dir, name)}: {summary(content)}"
            print(made or f"{name} is complete; --overwrite makes it again")
            for difference in (content or {}).get("differences", ()):
                print(f"difference: {difference}")
        except UserError as e:
            print(f"error: {e}", file=sys.stderr)
            status = 1
    return status


def draw(name: str) -> None:
    """Draws an embedded dataset, unless it is there."""
    from libml.datasets import catalogue, finding

    if FLAGS.overwrite or FLAGS["from"].value:
        raise UserError(f"{name} is always the same, and drawn by this program: leave out --overwrite and --from")
    dataset = catalogue.lookup(name)
    if finding.has_test_images(name, FLAGS.data_dir) and finding.find_files(dataset, to_path(FLAGS.data_dir), "train"):
        print(f"{name} is complete")
        return
    outputs.check_place("data_dir", to_path(FLAGS.data_dir).absolute())
    with app.importing():
        import tensorflow  # noqa: F401  which drawing imports
    dataset.make(to_path(FLAGS.data_dir))
    print(f"wrote {os.path.join(FLAGS.data_dir, name)}-*.tfrecord; train with --dataset={name}")


def summary(content: dict) -> str:
    """'45 train and 5 test images in 2 files'."""
    counts = " and ".join(f"{entry['images']} {split}" for split, entry in content["splits"].items())
    files = sum(len(entry["files"]) for entry in content["splits"].values())
    return f"{counts} images in {files} files"


if __name__ == "__main__":
    app.run(main, arguments=True, when_stopped="what was not complete is removed")
