"""The explorer's server, without a socket: what it answers, what it refuses, and that nothing ends it."""

import base64
import io
import json
import threading
import time
from random import Random

import numpy as np
import pytest
from PIL import Image
from werkzeug.test import Client

from lag.explorer.guard import is_loopback
from lag.explorer.rendering import render
from lag.explorer.result_file import encode
from lag.explorer.server import App, bind
from lag.explorer.session import load_session
from lag.explorer.turns import BusyError, Turns
from lag.upscaling.choosing import Options, choose
from lag.upscaling.consistency import boxes, lores_errors
from libml.datasets.toyfaces import SEED, TRAIN_IMAGES, draw_face
from libml.images import to_float
from tests.load import Load
from tests.support.explorer import CENTER, SAMPLE, made
from tests.support.untrained import untrained_run

WALK = {"op": "walk", "seed": 1, "at": 0.5, "to": [{**SAMPLE, "index": 2}]}


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    run = untrained_run(tmp_path_factory.mktemp("runs"), dataset="toyfaces32")
    return load_session(run, "nowhere")


@pytest.fixture(scope="module")
def client(session):
    return Client(App(session))


def file(h=5, w=6, seed=0, form="PNG", **options) -> bytes:
    pixels, buffer = np.random.default_rng(seed).integers(0, 256, [h, w, 3], np.uint8), io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()


def upload(client, data, name="face.png", **headers):
    return client.post("/api/pictures", query_string={"name": name}, data=data, headers=headers, content_type=BYTES)


def ask(client, url, **fields):
    return client.post(url, json=fields)


BYTES = "application/octet-stream"


@pytest.fixture(scope="module")
def picture(client, session):
    name = upload(client, file()).json["picture"]
    return session.known[name].picture


def recipe(session, picture, *operations, seed=0):
    return json.loads(made(session.model, picture, *operations, seed=seed).json())


def test_a_picture_becomes_candidates_with_their_measures(client, session, picture):
    center, sample = (recipe(session, picture, o) for o in (CENTER, SAMPLE))
    first, second = ask(client, "/api/render", recipes=[center, sample]).json["results"]
    expected = made(session.model, picture, SAMPLE)
    pixels = render(session.model, picture, expected)
    assert base64.b64decode(second["png"]) == encode(pixels, picture, expected, 4)
    assert second["recipe"] == sample and second["digest"] == expected.digest()
    errors = lores_errors(pixels, picture.pixels, 4)
    assert second["lores_rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)))
    assert second["lores_max"] == pytest.approx(np.max(np.abs(errors)))
    middle = np.array(Image.open(io.BytesIO(base64.b64decode(first["png"]))), float)
    assert second["from_center"] == pytest.approx(np.sqrt(np.mean((pixels - middle) ** 2)))
    assert first["from_center"] == 0


def test_the_critic_scores_what_is_shown_and_chooses_among_samples(client, session, picture):
    (shown,) = ask(client, "/api/scores", recipes=[recipe(session, picture, SAMPLE)]).json["scores"]
    pixels = render(session.model, picture, made(session.model, picture, SAMPLE))
    latents = session.critic.project(to_float(pixels[None]), picture.lores(3))
    assert shown == pytest.approx(float(session.critic.scores(latents)[0]), rel=1e-5)
    fields = {"recipe": recipe(session, picture, SAMPLE, seed=2), "keep": 3, "of": 6, "noise": 0.5}
    for way in ("best", "diverse"):
        options = Options(samples=3, noise=0.5, seed=2, choose=way, of=6)
        expected = choose(session.model, session.critic, picture, options)[0]
        assert ask(client, "/api/choose", way=way, **fields).json["indices"] == expected


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "I;16"])
def test_a_small_picture_as_a_file_is_the_same_picture(client, mode):
    rng, buffer = np.random.default_rng(5), io.BytesIO()
    if mode == "I;16":
        Image.fromarray(rng.integers(0, 65536, [5, 6], np.uint16)).save(buffer, "PNG")
    else:
        Image.fromarray(rng.integers(0, 256, [5, 6, len(mode)], np.uint8), mode).save(buffer, "PNG")
    said = upload(client, buffer.getvalue()).json
    again = client.get(f"/api/pictures/{said['picture']}/file.png").data
    assert upload(client, again).json["picture"] == said["picture"]


def test_a_test_image_is_made_small_and_shown_beside(client, session):
    assert client.get("/api/model").json["examples"] == 48
    said = ask(client, "/api/examples", index=3).json
    face = draw_face(SEED, TRAIN_IMAGES + 3, 32)
    small = np.array(Image.open(io.BytesIO(client.get(f"/api/pictures/{said['picture']}/small.png").data)))
    assert np.array_equal(small, np.rint(boxes(face, 4).mean(-1))) and said["small"] == [8, 8]
    for url in (f"/api/pictures/{said['picture']}/original.png", "/api/examples/3.png"):
        assert np.array_equal(np.array(Image.open(io.BytesIO(client.get(url).data))), face)


def test_a_large_picture_is_cropped(client):
    exif = Image.Exif()
    exif[0x112] = 6  # lies on its side, as a telephone's do
    said = upload(client, file(100, 140, form="JPEG", exif=exif), "photo.JPG").json
    assert (said["width"], said["height"]) == (100, 140) and "picture" not in said
    preview = Image.open(io.BytesIO(client.get(f"/api/pictures/{said['large']}/preview.png").data))
    assert preview.size == (100, 140)
    crop = ask(client, "/api/crops", large=said["large"], box=[10, 20.5, 64], size=16).json
    assert crop["small"] == [16, 16] and crop["original"]
    original = Image.open(io.BytesIO(client.get(f"/api/pictures/{crop['picture']}/original.png").data))
    expected = preview.resize((64, 64), Image.Resampling.LANCZOS, box=(10, 20.5, 74, 84.5))
    assert np.array_equal(np.array(original), np.array(expected))
    for box in ([10, 20, 91], [-1, 0, 9], [0, 0, 0], [0, 0, float("nan")], [1, 2], ["1", 2, 3]):
        assert ask(client, "/api/crops", large=said["large"], box=box, size=16).status_code == 400
    assert ask(client, "/api/crops", large=said["large"], box=[0, 0, 9], size=65).status_code == 400


def test_a_walk_is_animated(client, session, picture):
    answer = ask(client, "/api/animation", recipe=recipe(session, picture, SAMPLE, WALK), frames=5)
    with Image.open(io.BytesIO(answer.data)) as image:
        assert image.format == "WEBP" and image.n_frames == 8 and image.size == (24, 20)
        frames = []
        for i in (0, 4):
            image.seek(i)
            frames.append(np.array(image.convert("RGB")))
    first, last = made(session.model, picture, SAMPLE), made(session.model, picture, *WALK["to"], seed=1)
    assert np.array_equal(frames[0], render(session.model, picture, first))
    assert np.max(np.abs(frames[1].astype(int) - render(session.model, picture, last))) <= 1
    assert ask(client, "/api/animation", recipe=recipe(session, picture, SAMPLE), frames=5).status_code == 400


def test_the_bicubic_picture_has_the_paint(client, session, picture):
    paint = {"op": "paint", "pixels": [[0, 0, 255, 0, 0]]}
    plain, painted = (
        np.array(Image.open(io.BytesIO(ask(client, "/api/bicubic", recipe=recipe(session, picture, *o)).data)), int)
        for o in ([SAMPLE], [paint, SAMPLE])
    )
    assert plain.shape == (20, 24, 3) and np.any(plain[:4, :4] != painted[:4, :4])
    assert np.array_equal(plain[12:], painted[12:])


def test_what_cannot_be_read_costs_one_line(client):
    for data, said in [(b"", "it is empty"), (b"no picture", "cannot read it as a picture"), (file()[:60], "cannot")]:
        answer = upload(client, data)
        assert answer.status_code == 400 and said in answer.json["error"] and "/tmp" not in answer.json["error"]
    bomb = file().replace(b"IHDR" + (6).to_bytes(4, "big"), b"IHDR" + (1 << 30).to_bytes(4, "big"))
    answer = upload(client, bomb)
    assert answer.status_code == 400 and "\n" not in answer.json["error"]
    assert upload(client, file(), "../../x.png;\0").status_code == 200


def test_what_is_not_known_is_not_found(client, session, picture):
    other = {**recipe(session, picture, SAMPLE), "picture": "ab" * 32}
    answer = ask(client, "/api/render", recipes=[other])
    assert answer.status_code == 404 and "give it again" in answer.json["error"]
    for url in (
        "/static/none.js",
        "//api/model",
        "/api//model",
        "/static/..%2fserver.py",
        "/api/none",
        f"/api/pictures/{'0' * 64}/small.png",
    ):
        assert client.get(url).status_code == 404
    assert client.get("/api/examples/48.png").status_code == 400
    assert client.get("/api/render").status_code == 405


def test_pages_of_other_sites_are_refused(client):
    good = {"Host": "127.0.0.1:8008"}
    for host in ("127.0.0.1:8008", "localhost:9000", "[::1]:8008", "LOCALHOST"):
        assert client.get("/api/model", headers={"Host": host}).status_code == 200, host
    for host in (
        "evil.example",
        "127.0.0.1.evil.example:8008",
        "192.168.1.5",
        "x@127.0.0.1",
        "[::1",
        "localhost:x",
        "",
    ):
        assert client.get("/api/model", headers={"Host": host}).status_code == 403, host
    for origin in ("http://evil.example", "null", "http://127.0.0.1:8009", "https://127.0.0.1:8008"):
        assert client.get("/api/model", headers=good | {"Origin": origin}).status_code == 403, origin
    assert client.get("/api/model", headers=good | {"Origin": "http://127.0.0.1:8008"}).status_code == 200
    assert client.get("/api/model", headers=good | {"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert client.get("/", headers=good | {"Sec-Fetch-Site": "cross-site"}).status_code == 200  # a link to it
    for kind in ("text/plain", "multipart/form-data", "application/x-www-form-urlencoded", None):
        assert client.post("/api/examples", data=b'{"index": 1}', content_type=kind).status_code == 415, kind


def test_an_open_server_answers_to_addresses_but_not_to_names(session):
    client = Client(App(session, "0.0.0.0"))
    status = {h: client.get("/api/model", headers={"Host": h}).status_code for h in ("192.168.1.5:80", "evil.example")}
    assert status == {"192.168.1.5:80": 200, "evil.example": 403}
    named = Client(App(session, "box.lan"))
    assert named.get("/api/model", headers={"Host": "box.lan:8008"}).status_code == 200
    own, others = ("127.0.0.1", "localhost", "::1", "127.9.9.9"), ("0.0.0.0", "::", "192.168.1.5", "box.lan", "")
    assert all(map(is_loopback, own)) and not any(map(is_loopback, others))


def test_every_answer_keeps_the_page_to_itself(client):
    for answer in (client.get("/"), client.get("/none"), client.get("/api/model", headers={"Host": "evil.example"})):
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "Access-Control-Allow-Origin" not in answer.headers


def test_too_much_is_refused(client, session, picture, monkeypatch):
    assert client.post("/api/render", data=b"[" * (1 << 21), content_type="application/json").status_code == 413
    monkeypatch.setattr("lag.explorer.server.MOST_UPLOADED", 100)
    assert upload(client, b"x" * 101).status_code == 413
    assert ask(client, "/api/render", recipes=[recipe(session, picture, SAMPLE)] * 17).status_code == 400


def test_beyond_a_short_queue_requests_come_back_later(session, picture):
    turns = Turns(most_waiting=2)
    client, answers = Client(App(session, turns=turns)), []

    def small():
        answers.append(client.get(f"/api/pictures/{picture.content}/small.png").status_code)

    with turns.turn():
        waiting = [threading.Thread(target=small) for _ in range(2)]
        for thread in waiting:
            thread.start()
        while turns._here < 3:
            time.sleep(0.01)
        refused = client.get(f"/api/pictures/{picture.content}/small.png")
        assert refused.status_code == 503 and refused.headers["Retry-After"] == "1"
        with pytest.raises(BusyError), turns.turn():
            pass
        assert answers == []
    for thread in waiting:
        thread.join()
    assert answers == [200, 200] and turns.finish(1) and not turns.finish(0)


def test_more_clients_than_places_lose_nothing(session):
    server = bind(App(session, turns=Turns(most_waiting=1)), "127.0.0.1", 0)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        load = Load(f"http://127.0.0.1:{server.server_address[1]}")
        load.run(clients=8, seconds=1)
    finally:
        server.shutdown()
        thread.join()
    assert load.counts["lost"] == 0 and load.counts["made"] >= 8 and load.counts["busy"] > 0


def test_an_error_of_its_own_is_one_line_and_not_the_end(session, picture, monkeypatch, capsys):
    client = Client(App(session))
    monkeypatch.setattr(session, "small_png", lambda name: 1 / 0)
    answer = client.get(f"/api/pictures/{picture.content}/small.png")
    assert answer.status_code == 500 and answer.json["error"] == "internal error: division by zero"
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert client.get("/api/model").status_code == 200


URLS = ["/api/render", "/api/scores", "/api/bicubic", "/api/choose", "/api/animation", "/api/crops", "/api/examples"]
ODD = [None, True, -1, 0, 2**31, 2**70, 1e308, float("nan"), float("inf"), "", "x" * 300, "\ud800", [], {}, [[]], 0.5]


def spoilt(value, chance: Random):
    """JSON with a thing replaced, taken out, or put in, somewhere."""
    if chance.random() < 0.3 or not isinstance(value, (dict, list)) or not value:
        return chance.choice(ODD)
    places = list(value) if isinstance(value, dict) else range(len(value))
    place, copy = chance.choice(list(places)), value.copy()
    if chance.random() < 0.2:
        del copy[place]
    else:
        copy[place] = spoilt(copy[place], chance)
    return copy


def test_no_bad_request_ends_it(client, session, picture, capsys):
    """Seeded: a failing request can be made again."""
    chance = Random(0)
    walk = recipe(session, picture, {"op": "paint", "pixels": [[0, 0, 1, 2, 3]]}, SAMPLE, WALK, {"op": "consistent"})
    fields = {"recipe": walk, "recipes": [walk], "way": "best", "keep": 1, "of": 2, "noise": 1.0, "frames": 2}
    fields |= {"large": picture.content, "box": [0, 0, 5], "size": 2, "index": 1}
    seen = set()
    for number in range(400):
        url, body = chance.choice(URLS), json.dumps(spoilt(fields, chance)).encode()
        if chance.random() < 0.2:
            cut = chance.randrange(len(body))
            body = body[:cut] + bytes(chance.choices(range(256), k=3)) + body[cut + chance.randrange(9) :]
        status = client.post(url, data=body, content_type="application/json").status_code
        assert status in (200, 400, 404), (number, url, body)
        seen.add((url, status))
    whole = file()
    for number in range(100):
        data = bytearray(whole[: chance.randrange(len(whole) + 1)])
        for _ in range(chance.randrange(4)):
            if data:
                data[chance.randrange(len(data))] = chance.randrange(256)
        answer = upload(client, bytes(data), chance.choice(["a.png", "a.tga", "a.heic", "", "a.dib", "a.jpg"]))
        assert answer.status_code in (200, 400), (number, bytes(data))
    assert {(url, 400) for url in URLS} <= seen and {status for _, status in seen} == {200, 400, 404}
    assert ask(client, "/api/render", recipes=[recipe(session, picture, CENTER)]).status_code == 200
    assert "Traceback" not in capsys.readouterr().err
