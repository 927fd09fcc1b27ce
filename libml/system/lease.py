"""A lease on an object store, where there are no locks: an object that says who holds it, renewed until it ends.

TensorFlow's file systems cannot be asked to write an object only if nobody else has. A lease is therefore written, and
read again a moment later: of two who come together, the last one to write holds it. Who holds one asks before each
thing that others must not see twice whether it still does.
"""

import contextlib
import dataclasses
import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator

from libml.errors import UserError
from libml.system import jsontext
from libml.system.store_path import StorePath


@dataclasses.dataclass(frozen=True)
class Terms:
    """How long things take, in seconds."""

    length: float = 60.0  # after which a lease that nobody renews is anybody's
    settle: float = 2.0  # between writing and reading again; longer than others take between reading and writing
    renewals: int = 4  # within its length


USUAL = Terms()


class _Lease:
    """One that this process writes."""

    def __init__(self, path: StorePath, busy: str, terms: Terms):
        self.path, self.busy, self.terms = path, busy, terms
        self._token, self._turn = secrets.token_hex(8), threading.Lock()  # the thread that renews it writes, too

    def found(self) -> dict | None:
        """What the object says; None where there is none, or it makes no sense."""
        try:
            found = jsontext.parse(self.path.read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return found if isinstance(found, dict) and type(found.get("expires")) in (int, float) else None

    def is_mine(self, found: dict | None) -> bool:
        return found is not None and found.get("token") == self._token

    def take(self) -> None:
        """Takes it, unless another holds it.

        Raises:
            UserError: naming who does.
        """
        self._refuse_if_held(self.found())
        self.write()
        time.sleep(self.terms.settle)
        found = self.found()
        if not self.is_mine(found):
            self._refuse_if_held(found)
            raise UserError(f"{self.busy} ({self.path} was removed: is another process at work there?)")

    def _refuse_if_held(self, found: dict | None) -> None:
        if found and (left := found["expires"] - time.time()) > 0:
            who = f"{found.get('owner')} holds {self.path} for another {left:.0f} s, and longer if it lives"
            raise UserError(f"{self.busy} ({who})")

    def write(self) -> None:
        """Writes it, and thereby renews it."""
        now = time.time()
        owner = f"process {os.getpid()} of {os.uname().nodename}"
        content = {"owner": owner, "token": self._token, "renewed": now, "expires": now + self.terms.length}
        self.path.write_bytes((json.dumps(content) + "\n").encode())

    def renew(self) -> None:
        """Renews it if it is still this process's."""
        with self._turn:
            if self.is_mine(self.found()):
                self.write()

    def check(self) -> None:
        """Refuses to go on without it.

        Raises:
            UserError: if it has ended and another process holds it, or the store cannot be asked.
        """
        try:
            with self._turn:
                found = self._found_or_taken_again()
        except OSError as e:
            raise UserError(f"cannot ask {self.path} whether this process still holds it: {e}") from e
        if not self.is_mine(found):
            raise UserError(f"{found and found.get('owner')} has taken {self.path} meanwhile: this process stops")

    def _found_or_taken_again(self) -> dict | None:
        found = self.found()
        if not self.is_mine(found) and not (found and found["expires"] > time.time()):
            self.write()  # it ended, or somebody removed it, and nobody has taken it since
            found = self.found()
        return found

    def release(self) -> None:
        """Gives it back if it is this process's; what fails ends by itself."""
        with contextlib.suppress(OSError):
            if self.is_mine(self.found()):
                self.path.unlink(missing_ok=True)


@contextlib.contextmanager
def lease(path: StorePath, busy: str, terms: Terms | None = None) -> Iterator[Callable[[], None]]:
    """Holds a lease for as long as the block, renewed by a thread.

    Args:
        path: of its object.
        busy: what to say if another process holds it.
        terms: how long it lasts; USUAL by default.

    Yields:
        What raises a UserError if another process has taken it.

    Raises:
        UserError: if another process holds it, naming that one; if the store refuses.
    """
    held = _Lease(path, busy, terms or USUAL)
    try:
        held.take()
    except OSError as e:
        raise UserError(f"cannot write {path}: {e.strerror or e}") from e
    ended = threading.Event()

    def keep() -> None:
        while not ended.wait(held.terms.length / held.terms.renewals):
            with contextlib.suppress(OSError):  # the next renewal may work; check says if none did
                held.renew()

    thread = threading.Thread(target=keep, name="lease", daemon=True)
    thread.start()
    try:
        yield held.check
    finally:
        ended.set()
        thread.join()
        held.release()
