"""onnxruntime for web pages: two files of its npm package, fetched by npm, or taken from where the package lies."""

import hashlib
import subprocess
import tarfile
import tempfile
import zlib
from pathlib import Path

from libml.errors import UserError, reason

VERSION = "1.30.0"
SCRIPT, PROGRAM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
DIGESTS = {  # SHA-256
    SCRIPT: "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    PROGRAM: "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
NOTICE = f"""onnxruntime-web {VERSION}, under the MIT License:

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""
PATIENCE = 600  # seconds for fetching 30 MB
_HAVE = f"give --onnxruntime_web=FILE, the package onnxruntime-web {VERSION} of the npm registry as .tgz or unpacked"


def runtime(package: str | None) -> dict[str, bytes]:
    """The two files by their names.

    Args:
        package: the npm package, as the file that `npm pack` writes or as a folder; None: npm fetches it.

    Raises:
        UserError: if it cannot be had, or is another version.
    """
    if package is not None:
        return _checked(Path(package))
    with tempfile.TemporaryDirectory(prefix="lag_npm_") as folder:
        return _checked(_fetch(Path(folder)))


def _fetch(folder: Path) -> Path:
    command = ["npm", "pack", f"onnxruntime-web@{VERSION}", "--ignore-scripts", f"--pack-destination={folder}"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
    except FileNotFoundError:
        raise UserError(f"npm, which fetches onnxruntime-web, is not installed: install it, or {_HAVE}") from None
    except subprocess.TimeoutExpired:
        raise UserError(f"npm has not fetched onnxruntime-web in {PATIENCE} s: {_HAVE}") from None
    found = list(folder.glob("*.tgz"))
    if done.returncode or not found:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise UserError(f"npm cannot fetch onnxruntime-web ({lines[0][:200]}): {_HAVE}")
    return found[0]


def _checked(package: Path) -> dict[str, bytes]:
    made = {}
    for name, digest in DIGESTS.items():
        made[name] = _read(package, name)
        if hashlib.sha256(made[name]).hexdigest() != digest:
            raise UserError(f"{name} of {package} is not that of onnxruntime-web {VERSION}: {_HAVE}")
    return made


def _read(package: Path, name: str) -> bytes:
    try:
        if package.is_dir():
            places = (package / name, package / "dist" / name)
            return next(place for place in places if place.exists()).read_bytes()
        with tarfile.open(package) as archive:
            return archive.extractfile(f"package/dist/{name}").read()  # type: ignore[union-attr]
    except StopIteration:
        raise UserError(f"{package} holds no {name}: {_HAVE}") from None
    except (OSError, EOFError, KeyError, AttributeError, tarfile.TarError, zlib.error) as e:
        raise UserError(f"cannot read {name} of {package} ({reason(e)}): {_HAVE}") from None
