"""Files that a library writes into a folder by name, event by event, where the folder may be on an object store."""

import tempfile
from pathlib import Path

from libml.system import store_path
from libml.system.store_path import StorePath


class Outbox:
    """A local folder to write into: the folder itself, or for one on a store another, whose files are sent there."""

    def __init__(self, folder: Path):
        """Args: where the files are to be."""
        self._target = folder if isinstance(folder, StorePath) else None
        self._temporary = tempfile.TemporaryDirectory(prefix="lag-") if self._target else None
        self.folder = Path(self._temporary.name) if self._temporary else folder

    @property
    def whole_files(self) -> bool:
        """Whether a file can be sent only when it is complete: nothing can be appended to an object."""
        return self._target is not None

    def send(self) -> None:
        """Sends the files to the store, and forgets them; they are complete.

        Raises:
            OSError: if the store refuses.
        """
        if self._target is None:
            return
        files = sorted(self.folder.iterdir())
        if files:  # who looks for them need not wait for a listing
            store_path.enroll(self._target, {file.name: [] for file in files})
        for file in files:
            (self._target / file.name).upload(file)
            file.unlink()
