"""The explorer's server: a page, and JSON for it."""

import base64
import json
import socket
import sys
import traceback
from collections.abc import Callable, Iterable
from http.server import HTTPServer
from pathlib import Path
from typing import Any

from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.routing import Map, Rule
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from lag.explorer import recipe as recipes
from lag.explorer.guard import Guard, is_loopback, protect
from lag.explorer.pictures import MissingError
from lag.explorer.recipe import Recipe
from lag.explorer.session import Session
from lag.explorer.turns import BusyError, Turns
from libml.errors import UserError, first_line, printable
from libml.system import jsontext

STATIC = Path(__file__).parent / "static"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
MOST_UPLOADED = 1 << 26  # bytes of a picture's file
MOST_JSON = 1 << 20
MOST_AT_ONCE = 16  # recipes in a request
SILENCE = 30  # seconds that a client may keep silent

URLS = Map(
    [
        Rule("/", endpoint="page", methods=["GET"]),
        Rule("/static/<name>", endpoint="static", methods=["GET"]),
        Rule("/api/model", endpoint="model", methods=["GET"]),
        Rule("/api/pictures", endpoint="upload", methods=["POST"]),
        Rule("/api/pictures/<name>/<kind>.png", endpoint="picture", methods=["GET"]),
        Rule("/api/crops", endpoint="crop", methods=["POST"]),
        Rule("/api/examples", endpoint="example", methods=["POST"]),
        Rule("/api/examples/<int:index>.png", endpoint="thumbnail", methods=["GET"]),
        Rule("/api/render", endpoint="render", methods=["POST"]),
        Rule("/api/scores", endpoint="scores", methods=["POST"]),
        Rule("/api/bicubic", endpoint="bicubic", methods=["POST"]),
        Rule("/api/choose", endpoint="choose", methods=["POST"]),
        Rule("/api/animation", endpoint="animation", methods=["POST"]),
    ],
    strict_slashes=False,  # nothing is redirected
    merge_slashes=False,
)


class App:
    """The WSGI application."""

    def __init__(self, session: Session, host: str = "127.0.0.1", turns: Turns | None = None):
        """Args: what answers; the address listened at; who waits for the model."""
        self.session, self.turns, self._guard = session, turns or Turns(), Guard(host)

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        """Answers a request, whatever it is."""
        request = Request(environ)
        return protect(self._answer(request))(environ, start_response)

    def _answer(self, request: Request) -> Response:
        try:
            self._guard.check(request)
            name, values = URLS.bind("explorer", path_info=request.path).match(method=request.method)
            return getattr(self, f"_{name}")(request, **values)
        except MissingError as e:
            return _error(404, str(e))
        except UserError as e:
            return _error(400, str(e))
        except BusyError as e:
            response = _error(503, str(e))
            response.headers["Retry-After"] = "1"
            return response
        except HTTPException as e:
            return _error(e.code or 500, e.description or e.name)
        except Exception as e:
            if isinstance(e, MemoryError) or type(e).__name__ == "ResourceExhaustedError":  # TensorFlow's
                return _error(507, "there is too little memory: give a smaller picture, or ask for less")
            traceback.print_exc()
            return _error(500, f"internal error: {first_line(e)}")

    def _page(self, request: Request) -> Response:
        return self._static(request, "index.html")

    def _static(self, request: Request, name: str) -> Response:
        files = {path.name: path for path in STATIC.iterdir() if path.suffix in TYPES}
        if name not in files:
            raise NotFound(f"there is no {name[:100]} here")
        response = Response(files[name].read_bytes(), mimetype=TYPES[files[name].suffix])
        response.headers["Cache-Control"] = "no-cache"
        return response

    def _model(self, request: Request) -> Response:
        return _json({**self.session.describe(), "most_bytes": MOST_UPLOADED})

    def _upload(self, request: Request) -> Response:
        request.max_content_length = MOST_UPLOADED
        data, name = request.get_data(cache=False), request.args.get("name", "")
        with self.turns.turn():
            return _json(self.session.upload(data, name))

    def _picture(self, request: Request, name: str, kind: str) -> Response:
        makers = {"small": "small_png", "file": "file_png", "original": "original_png", "preview": "preview_png"}
        if kind not in makers:
            raise NotFound("a picture is small, file, original or preview")
        with self.turns.turn():
            return _png(getattr(self.session, makers[kind])(name))

    def _crop(self, request: Request) -> Response:
        large, box, size = _fields(request, large=str, box=list, size=int)
        if len(box) != 3 or not all(type(number) in (int, float) for number in box):
            raise UserError("box must be three numbers: left, top and side")
        with self.turns.turn():
            return _json(self.session.crop(large, box, size))

    def _example(self, request: Request) -> Response:
        (index,) = _fields(request, index=int)
        with self.turns.turn():
            return _json(self.session.example(index))

    def _thumbnail(self, request: Request, index: int) -> Response:
        with self.turns.turn():
            return _png(self.session.example_png(index))

    def _render(self, request: Request) -> Response:
        made = []
        for recipe in _recipes(request):
            with self.turns.turn():  # anew for each: a long list holds up nobody
                result = self.session.make(recipe)
            png = base64.b64encode(result.png).decode()
            made.append({"recipe": json.loads(recipe.json()), "digest": recipe.digest(), "png": png, **result.measures})
        return _json({"results": made})

    def _scores(self, request: Request) -> Response:
        scores = []
        for recipe in _recipes(request):
            with self.turns.turn():
                scores.append(self.session.score(recipe))
        return _json({"scores": scores})

    def _bicubic(self, request: Request) -> Response:
        recipe = recipes.parse(_fields(request, recipe=dict)[0])
        with self.turns.turn():
            return _png(self.session.bicubic_png(recipe))

    def _choose(self, request: Request) -> Response:
        value, way, keep, of, noise = _fields(request, recipe=dict, way=str, keep=int, of=int, noise=float)
        recipe = recipes.parse(value)
        with self.turns.turn():
            return _json({"indices": self.session.choose(recipe, way, keep, of, noise)})

    def _animation(self, request: Request) -> Response:
        value, frames = _fields(request, recipe=dict, frames=int)
        recipe = recipes.parse(value)
        with self.turns.turn():
            return Response(self.session.animation(recipe, frames), mimetype="image/webp")


def _read_json(request: Request) -> dict[str, Any]:
    if request.mimetype != "application/json":
        raise UserError("send JSON")
    request.max_content_length = MOST_JSON
    try:
        value = jsontext.parse(request.get_data(cache=False))
    except ValueError:
        raise UserError("the request is no JSON") from None
    if not isinstance(value, dict):
        raise UserError("the request must be an object of JSON")
    return value


def _fields(request: Request, **kinds: type) -> list[Any]:
    """Fields of the request's JSON, of the kinds that they must have; whole numbers are floats, too."""
    value = _read_json(request)
    for name, kind in kinds.items():
        given = value.get(name)
        if type(given) is not kind and not (kind is float and type(given) is int):
            raise UserError(f"the request must have {name}, of type {kind.__name__}")
    return [value[name] for name in kinds]


def _recipes(request: Request) -> list[Recipe]:
    (values,) = _fields(request, recipes=list)
    if not 1 <= len(values) <= MOST_AT_ONCE:
        raise UserError(f"ask for 1 to {MOST_AT_ONCE} recipes at a time")
    return [recipes.parse(value) for value in values]


def _json(value: dict[str, Any], status: int = 200) -> Response:
    return _stored(Response(json.dumps(value, allow_nan=False), status, mimetype="application/json"))


def _png(data: bytes) -> Response:
    return _stored(Response(data, mimetype="image/png"))


def _stored(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    return response


def _error(status: int, text: str) -> Response:
    return _json({"error": printable(text)[:500]}, status)


class _Handler(WSGIRequestHandler):
    """Says nothing of requests."""

    timeout = SILENCE

    def log(self, type: str, message: str, *args: Any) -> None:
        """Errors of clients are no concern of the terminal."""


def bind(app: App, host: str, port: int) -> BaseWSGIServer:
    """The server at an address, not yet serving.

    Raises:
        UserError: if the address cannot be had.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as e:
        raise UserError(f"cannot listen at {host}, port {port}: {e}; choose another --port") from None
    with listening:
        return make_server(host, port, app, threaded=True, request_handler=_Handler, fd=listening.fileno())


def serve(session: Session, host: str, port: int) -> None:
    """Serves until a signal ends the program.

    Raises:
        UserError: if the address cannot be had.
        Stopped: when it is asked to stop; then the model is at rest.
    """
    app = App(session, host)
    server = bind(app, host, port)
    if not is_loopback(host):
        print(
            f"warning: --host={host} lets other machines in: whoever reaches this one can use the model, "
            "and see what is shown to it",
            file=sys.stderr,
        )
    shown = f"[{host}]" if ":" in host else host
    print(f"explore the model at http://{shown}:{server.server_address[1]} (Ctrl-C ends)", flush=True)
    try:
        HTTPServer.serve_forever(server)  # werkzeug's own returns on Ctrl-C, and the program would end as if by itself
    finally:
        server.server_close()
        app.turns.finish(10)  # what the model is at
