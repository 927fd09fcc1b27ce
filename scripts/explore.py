"""Opens a model in the browser: the set of plausible pictures of a small one, to be looked through by hand.

python scripts/explore.py [--model=RUN_OR_EXPORT] [--static=FOLDER]
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
if __name__ == "__main__":  # before imports that take time, or may be missing
    from libml.system import entry

    entry.begin()

from pathlib import Path

from absl import flags

from lag.box import named_or_shipped
from libml import app
from libml.errors import UserError
from libml.system import outputs
from libml.system.store_path import local_only
from libml.training.run_folder import RunFolder
from libml.training.run_names import find_model

FLAGS = flags.FLAGS
flags.DEFINE_string("model", None, "Folder of a run or an export, or an ONNX file; without it, the shipped toy faces.")
app.define_data_dir()
flags.DEFINE_string("host", "127.0.0.1", "Address to listen at; another than this machine's own lets others in.")
flags.DEFINE_integer("port", 8008, "Port to listen at; 0 for any that is free.")
flags.DEFINE_string("static", None, "Instead: folder to write the page to, with the model, for any web server to hold.")
flags.DEFINE_string("onnxruntime_web", None, "For --static: that npm package, .tgz or folder; else npm fetches it.")


def main() -> None:
    """Loads the model and serves the page until Ctrl-C, or writes it."""
    if not 0 <= FLAGS.port <= 65535:
        raise UserError(f"--port={FLAGS.port} must be from 0 to 65535")
    if FLAGS.onnxruntime_web is not None and FLAGS.static is None:
        raise UserError("--onnxruntime_web is for --static=FOLDER")
    model = find_model(named_or_shipped(FLAGS.model))
    data_dir = app.data_dir_of(model) if RunFolder(model).is_run() else FLAGS.data_dir
    if FLAGS.static is not None:
        return write(model, data_dir)
    with app.importing():  # TensorFlow, where the model needs it
        from lag.explorer.server import serve
        from lag.explorer.session import load_session

        session = load_session(model, data_dir)
    session.warm_up()
    serve(session, FLAGS.host, FLAGS.port)


def write(model: Path, data_dir: str) -> None:
    """Writes the page without a server."""
    outputs.check_folder("static", FLAGS.static)
    with app.importing():
        from lag.explorer.static_page import write_page

        write_page(model, local_only("static", FLAGS.static), FLAGS.onnxruntime_web, data_dir)
    print(f"wrote {FLAGS.static}: look at it with python -m http.server -b 127.0.0.1 -d {FLAGS.static}")


if __name__ == "__main__":
    app.run(main)
