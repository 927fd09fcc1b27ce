"""The page with a model and without a server: a folder that any web server can hold."""

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from lag.explorer.onnxruntime_web import NOTICE, PROGRAM, SCRIPT, runtime
from lag.explorer.server import MOST_UPLOADED, STATIC
from lag.formats.card import ONNX_FILE
from lag.formats.registry import located
from libml.errors import UserError
from libml.system.files import atomic_path, user_errors

if TYPE_CHECKING:
    from lag.explorer.session import Session

SERVER, ALONE = "./server.js", "./alone/backend.js"  # who does the page's work, as index.html says
POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' data: blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'none'"
)
NAMES = {SCRIPT: "ort.js", PROGRAM: "ort.wasm"}  # of the runtime's files here: more web servers know these kinds
README = """A page of lag-tf2, the Latent Adversarial Generator, with a model that runs in the browser.

Any web server can hold this folder, for example: python -m http.server -b 127.0.0.1 -d THIS_FOLDER
The page asks for nothing from elsewhere, and no picture leaves the browser.

onnxruntime/ is {notice}"""


def write_page(model: Path, folder: Path, package: str | None, data_dir: str) -> None:
    """Writes the folder, whole or not at all.

    Args:
        model: a run, an export, a folder of an export's versions, or an ONNX file.
        folder: not there yet, or empty.
        package: of onnxruntime-web; None: npm fetches it.
        data_dir: folder of the datasets.

    Raises:
        UserError: if the folder is in use, or what it takes cannot be had.
    """
    with user_errors(folder, "read"):
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UserError(f"--static={folder} is there and not empty: choose another folder, or remove it")
    generator = _model_file(model)
    files = runtime(package)
    with atomic_path(folder) as made:
        shutil.copytree(STATIC, made / "static", ignore=shutil.ignore_patterns("index.html", "server.js"))
        (made / "index.html").write_text(_index(), encoding="utf-8")
        (made / "README.txt").write_text(README.format(notice=NOTICE), encoding="utf-8")
        (made / "onnxruntime").mkdir()
        for name, content in files.items():
            (made / "onnxruntime" / NAMES[name]).write_bytes(content)
        (made / ONNX_FILE).write_bytes(generator)
        _describe(made, data_dir)


def _index() -> str:
    """index.html, whose page does the work itself, and may load nothing of others."""
    page, old = (STATIC / "index.html").read_text(encoding="utf-8"), f'<meta name="backend" content="{SERVER}">'
    policy = f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    return page.replace(old, f'{policy}\n<meta name="backend" content="{ALONE}">')


def _model_file(model: Path) -> bytes:
    """The generator as an ONNX file."""
    model = located(model)
    file = model / ONNX_FILE if model.is_dir() else model
    if file.is_file():
        with user_errors(file, "read"):
            return file.read_bytes()
    from lag.formats.onnx_export import convert_any  # which imports TensorFlow

    return convert_any(model)


def _describe(folder: Path, data_dir: str) -> None:
    """Writes what the page needs to know of the folder's model, and test images, if the project draws them itself."""
    from lag.explorer.session import load_session

    session = load_session(folder / ONNX_FILE, data_dir)
    (folder / "examples").mkdir()
    facts = session.describe() | {"most_bytes": MOST_UPLOADED, "alone": True}
    facts |= {"noise_dim": session.model.noise_dim, "shared_dim": session.model.shared_dim}
    facts["examples"] = _write_examples(session, folder / "examples")
    (folder / "model.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _write_examples(session: "Session", folder: Path) -> int:
    """Test images of other datasets are not the project's to give away."""
    if not session.examples.drawn:
        return 0
    for index in range(session.examples.count):
        (folder / f"{index}.png").write_bytes(session.example_png(index))
        name = session.example(index)["picture"]  # made small as the model's small pictures are
        (folder / f"{index}_small.png").write_bytes(session.small_png(name))
    return session.examples.count
