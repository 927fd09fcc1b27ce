"""The images that were measured, as PNG files that other tools can measure."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from libml.errors import UserError
from libml.images import encode_png
from libml.system.files import atomic_path


class ImageFolders:
    """Folders in a folder: `truth`, and one for each row, or for each sample of a row; names are images' numbers."""

    def __init__(self, folder: Path):
        """Args: where to write; it is there."""
        self._folder = folder

    def save_truth(self, images: np.ndarray) -> None:
        """Writes uint8 [N, H, W, C] into `truth`."""
        self._save("truth", images)

    def save_row(self, label: str, std: float, samples: np.ndarray) -> None:
        """Writes the images of a row, uint8 [samples, N, H, W, C], into LABEL_noiseSTD, several into sample0 ..."""
        name = f"{label.replace(' ', '_')}_noise{std:g}"
        for i, images in enumerate(samples):
            self._save(f"{name}/sample{i}" if len(samples) > 1 else name, images)

    def _save(self, name: str, images: np.ndarray) -> None:
        folder = self._folder / name
        folder.mkdir(parents=True)
        for i, image in enumerate(images):
            (folder / f"{i:06d}.png").write_bytes(encode_png(image))


@contextlib.contextmanager
def new_image_folders(folder: Path, wanted: bool) -> Iterator[ImageFolders | None]:
    """Folders that appear as `folder` when the block is done, all or none; None if they are not wanted.

    Raises:
        UserError: if there is such a folder, or the file system refuses.
    """
    if not wanted:
        yield None
        return
    if folder.exists():
        raise UserError(f"{folder} is there already: move it away, or give another --output")
    with atomic_path(folder) as temporary:
        temporary.mkdir()
        yield ImageFolders(temporary)
