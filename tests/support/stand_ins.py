"""Small sets in the layout of the official ones, written as people have them."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
from PIL import Image

from libml.datasets.originals.celeba_lists import ATTRIBUTE_NAMES
from tests.support.images import blobs

SPLITS = {"train": 40, "validation": 8, "test": 12}


def jpeg(image: np.ndarray, **options) -> bytes:
    """A file's content."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="JPEG", **options)
    return buffer.getvalue()


class CelebA:
    """Pictures with the official names and sizes, and what the lists say of them."""

    def __init__(self, splits: dict[str, int] = SPLITS):
        count = sum(splits.values())
        self.names = [f"{i:06d}.jpg" for i in range(1, count + 1)]
        self.images = {
            name: jpeg(image[:218, 20:198]) for name, image in zip(self.names, blobs(count, 218), strict=True)
        }
        kinds = [i for i, size in enumerate(splits.values()) for _ in range(size)]
        self.kinds = dict(zip(self.names, kinds, strict=True))
        rng = np.random.default_rng(1)
        self.attributes = {name: rng.integers(0, 2, 40) for name in self.names}
        self.identities = {name: int(rng.integers(1, 10178)) for name in self.names}

    def write_lists(self, folder: Path) -> None:
        """The three lists as the authors have them."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "list_eval_partition.txt").write_text("".join(f"{n} {self.kinds[n]}\n" for n in self.names))
        (folder / "identity_CelebA.txt").write_text("".join(f"{n} {self.identities[n]}\n" for n in self.names))
        rows = (f"{n} {' '.join('1' if a else '-1' for a in self.attributes[n])}\n" for n in self.names)
        head = f"{len(self.names)}\n{' '.join(ATTRIBUTE_NAMES)} \n"
        (folder / "list_attr_celeba.txt").write_text(head + "".join(rows))

    def write_tables(self, folder: Path) -> None:
        """Two of the lists as Kaggle has them."""
        rows = "".join(f"{n},{self.kinds[n]}\n" for n in self.names)
        (folder / "list_eval_partition.csv").write_text(f"image_id,partition\n{rows}")
        rows = "".join(f"{n},{','.join('1' if a else '-1' for a in self.attributes[n])}\n" for n in self.names)
        (folder / "list_attr_celeba.csv").write_text(f"image_id,{','.join(ATTRIBUTE_NAMES)}\n{rows}")

    def write_folder(self, folder: Path) -> Path:
        """img_align_celeba in a folder."""
        place = folder / "img_align_celeba"
        place.mkdir(parents=True)
        for name, image in self.images.items():
            (place / name).write_bytes(image)
        return place

    def write_archive(self, folder: Path) -> Path:
        """img_align_celeba.zip in a folder."""
        folder.mkdir(parents=True, exist_ok=True)
        place = folder / "img_align_celeba.zip"
        with zipfile.ZipFile(place, "w") as archive:
            archive.mkdir("img_align_celeba")
            for name, image in self.images.items():
                archive.writestr(f"img_align_celeba/{name}", image)
        return place

    def write_parquet(self, file: Path, names: list[str], attributes: bool = True) -> None:
        """Some of the pictures as hubs have them."""
        columns = {"image": [{"bytes": self.images[n], "path": n} for n in names]}
        if attributes:
            columns["celeb_id"] = [self.identities[n] for n in names]
            for i, attribute in enumerate(ATTRIBUTE_NAMES):
                columns[attribute] = [bool(self.attributes[n][i]) for n in names]
        file.parent.mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(pyarrow.table(columns), file, row_group_size=7)
