"""An object store in a folder of the disk: whole objects only, nothing to rename or append, and listings come late.

As a program it registers the store as late:// and runs another program, which a test kills:
    python -m tests.support.late_store FOLDER PROGRAM ARGUMENTS
"""

import json
import os
import runpy
import secrets
import sys
from pathlib import Path

from libml.system import lease, stores
from libml.system.stores import Info

LATE = 7  # listings that do not show a new object
SHORT = lease.Terms(length=4.0, settle=0.2)


class KilledError(BaseException):
    """The process is dead from here on."""


class LateStore:
    """Objects are files of the same path; a process that writes one and dies has written all of it or nothing."""

    marks_folders = False

    def __init__(self, folder: Path, late: int = LATE):
        self._objects, self._born, self._counter = folder / "objects", folder / "born", folder / "listings"
        self.late, self.writes, self.dies_at = late, 0, sys.maxsize
        self._objects.mkdir(parents=True, exist_ok=True)

    def _file(self, name: str) -> Path:
        return self._objects / name.partition("://")[2]

    def _listings(self) -> int:
        return int(self._counter.read_text() or 0) if self._counter.exists() else 0

    def _is_shown(self, file: Path, listings: int) -> bool:
        born = int((self._born / file.relative_to(self._objects)).read_text())
        return listings - born >= self.late

    def _writing(self) -> None:
        self.writes += 1
        if self.writes >= self.dies_at:
            raise KilledError

    def revive(self) -> None:
        """A new process; the leases of the one before have ended."""
        self.writes, self.dies_at = 0, sys.maxsize
        for file in self._objects.rglob("*.lock"):
            file.write_text(json.dumps({**json.loads(file.read_text()), "expires": 1}))

    def objects(self) -> list[str]:
        """The paths of all, those that no listing shows yet among them."""
        return sorted(str(f.relative_to(self._objects)) for f in self._objects.rglob("*") if f.is_file())

    def info(self, name: str) -> Info | None:
        file = self._file(name)
        return Info(file.stat().st_size, str(file.stat().st_mtime_ns)) if file.is_file() else None

    def read(self, name: str) -> bytes:
        return self._file(name).read_bytes()

    def download(self, name: str, file: Path) -> None:
        file.write_bytes(self.read(name))

    def upload(self, file: Path, name: str) -> None:
        self._writing()
        target, new = self._file(name), self._objects.with_name(secrets.token_hex(8))
        born = self._born / target.relative_to(self._objects)
        for place in (target, born):
            place.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            born.write_text(str(self._listings()))
        new.write_bytes(file.read_bytes())
        os.replace(new, target)

    def names(self, folder: str) -> list[str]:
        listings = self._listings()
        self._counter.write_text(str(listings + 1))
        files = [file for file in self._file(folder).rglob("*") if file.is_file()]
        shown = [file for file in files if self._is_shown(file, listings)]
        return sorted({file.relative_to(self._file(folder)).parts[0] for file in shown})

    def remove(self, name: str) -> None:
        self._writing()
        self._file(name).unlink()


def main() -> None:
    """Runs a program that has the store."""
    stores.register("late", LateStore(Path(sys.argv[1])))
    lease.USUAL = SHORT
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
