"""Toyfaces: an embedded dataset of cartoon faces, drawn from a seed so that the program can be tried without any data.

A face is sampled once (`sample_face`) and can be drawn at any size: its geometry is in face units (the origin is the
middle of the head, which reaches from y = -1 at the crown to y = 1 at the chin; x grows to the right, y downwards) and
only becomes pixels in `Pen`. Each facial part has its own small dataclass, sampling function and drawing function.

Pictures are the same on every machine: chance comes from PCG64's integers and doubles alone, geometry uses only
correctly rounded arithmetic (+ - * / sqrt) on points that are rounded to whole pixels of a larger canvas, and the rest
is integer arithmetic.
"""

import contextlib
import dataclasses
import io
import math
import multiprocessing
import multiprocessing.connection
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageDraw

TRAIN_IMAGES = 8192  # Faces 0 .. 8191.
TEST_IMAGES = 512  # Faces 8192 .. 8703.
SEED = 0

Colour = tuple[int, int, int]

# --- Colours ---------------------------------------------------------------------------------------------------------

WHITE = (255, 253, 248)
INK = (48, 34, 44)
WARM_SHADOW = (92, 30, 58)
WARM_LIGHT = (255, 240, 214)
BLUSH = (238, 92, 92)
GOLD = (240, 196, 84)

SKINS = (
    (255, 226, 204), (252, 213, 184), (246, 200, 164), (236, 184, 142), (222, 165, 120),
    (200, 141, 98), (174, 116, 78), (146, 94, 62), (116, 74, 50), (92, 58, 42),
)  # fmt: skip
DARK_HAIR = (
    (38, 30, 36), (38, 30, 36), (62, 42, 38), (62, 42, 38), (96, 62, 44), (96, 62, 44), (132, 84, 54), (146, 70, 44),
)  # fmt: skip
LIGHT_HAIR = ((190, 92, 48), (206, 154, 88), (228, 188, 116), (240, 214, 156))
GREY_HAIR = ((150, 146, 148), (222, 218, 214))
NATURAL_HAIR = DARK_HAIR + LIGHT_HAIR + GREY_HAIR
DYED_HAIR = ((232, 120, 150), (88, 160, 172), (120, 104, 186), (206, 62, 72))
IRISES = (
    (78, 50, 36), (78, 50, 36), (108, 72, 44), (142, 104, 52), (84, 130, 92), (72, 128, 180), (98, 160, 196),
    (118, 130, 142),
)  # fmt: skip
LIPS = ((206, 84, 92), (190, 66, 84), (222, 60, 76), (168, 52, 84), (226, 110, 110), (150, 44, 60))
FABRICS = (
    (232, 104, 88), (244, 178, 84), (250, 222, 140), (116, 178, 132), (68, 138, 140), (82, 124, 184), (58, 74, 120),
    (140, 104, 168), (236, 158, 170), (244, 238, 228), (96, 92, 104), (52, 48, 60), (158, 92, 72), (184, 206, 220),
)  # fmt: skip
BACKDROPS = (
    (178, 214, 228), (146, 190, 214), (196, 222, 196), (150, 196, 168), (250, 226, 180), (248, 204, 170),
    (244, 190, 184), (226, 196, 222), (190, 184, 224), (238, 234, 224), (206, 208, 212), (104, 140, 168),
    (88, 128, 124), (140, 100, 116), (84, 84, 112), (212, 138, 104), (240, 206, 110), (120, 124, 132),
)  # fmt: skip


def mix(first: Colour, second: Colour, amount: float) -> Colour:
    """The colour `amount` (0 .. 1) of the way from `first` to `second`."""
    return tuple(int(a + (b - a) * amount + 0.5) for a, b in zip(first, second, strict=True))


def shaded(colour: Colour, amount: float) -> Colour:
    """The colour as it looks in shadow: darker and a little warmer."""
    return mix(colour, WARM_SHADOW, amount)


# --- Chance ----------------------------------------------------------------------------------------------------------


def between(rng: np.random.Generator, low: float, high: float) -> float:
    """A uniform number in [low, high)."""
    return low + (high - low) * rng.random()


def centred(rng: np.random.Generator, reach: float) -> float:
    """A number in (-reach, reach), more often near 0."""
    return reach * (rng.random() - rng.random())


def pick(rng: np.random.Generator, options: tuple) -> Any:
    """One of the options; an option that is listed twice is twice as likely."""
    return options[int(rng.integers(len(options)))]


def chance(rng: np.random.Generator, probability: float) -> bool:
    """True with the given probability."""
    return bool(rng.random() < probability)


# --- Shapes: arrays [points, 2] of (x, y) ----------------------------------------------------------------------------

CIRCLE = np.array([(math.cos(k * math.pi / 24), math.sin(k * math.pi / 24)) for k in range(48)]).round(12)
CROWN = np.concatenate([CIRCLE[24:], CIRCLE[:1]])  # The upper half, from (-1, 0) over (0, -1) to (1, 0).
ACROSS = np.linspace(-1, 1, 17)  # From left to right through a feature.


def points(x: np.ndarray | float, y: np.ndarray | float) -> np.ndarray:
    """Points [n, 2] from their x and y coordinates; a number stands for as many as the other has."""
    joined = np.empty((max(np.size(x), np.size(y)), 2))
    joined[:, 0], joined[:, 1] = x, y
    return joined


def ellipse(x: float, y: float, width: float, height: float) -> np.ndarray:
    """An ellipse around (x, y), from its half width and half height."""
    circle = CIRCLE if width + height > 0.5 else CIRCLE[::2]
    return circle * (width, height) + (x, y)


def curve(*anchors: tuple[float, float]) -> np.ndarray:
    """A smooth (Catmull-Rom) curve through the anchors, 6 steps between two."""
    p = np.array((anchors[0], *anchors, anchors[-1]), dtype=np.float64)
    t = (np.arange(6) / 6)[:, None]
    a, b, c, d = (p[k : len(p) - 3 + k, None] for k in range(4))
    inner = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t * t * t)
    return np.concatenate([inner.reshape(-1, 2), p[-1:]])


def ribbon(path: np.ndarray, thickness: float, taper: float = 0.0, closed: bool = False) -> np.ndarray:
    """The outline of a stroke along `path`; with `taper` its ends thin out, from 0 (not at all) to 1 (to a point)."""
    if closed:
        path = np.concatenate([path, path[:1]])
    before, after = (path[-2:-1], path[1:2]) if closed else (path[:1], path[-1:])
    padded = np.concatenate([before, path, after])
    along = padded[2:] - padded[:-2]
    length = np.sqrt(along[:, :1] * along[:, :1] + along[:, 1:] * along[:, 1:]) + 1e-9
    place = np.arange(1 - len(path), len(path), 2)[:, None] / (len(path) - 1)  # From -1 to 1.
    offset = along[:, ::-1] * (-1, 1) / length * (0.5 * thickness * (1 - taper * place * place))
    return np.concatenate([path + offset, (path - offset)[::-1]])


def band(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """The area between two paths that both run from left to right."""
    return np.concatenate([top, bottom[::-1]])


def symmetric(*left: tuple[float, float]) -> np.ndarray:
    """A symmetric area from the anchors of its left edge."""
    edge = curve(*left)
    return band(edge, edge * (-1, 1))


# --- The attributes of a face ----------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Pose:
    """Where the head is (in frames, 0 .. 1), how large, and how it is held."""

    x: float
    y: float
    scale: float  # Half the height of the head, in frames.
    tilt: float  # The sine of the angle in the plane of the picture.
    yaw: float  # How far the middle of the face is shifted to the side, in face units.
    pitch: float  # The same, downwards.


@dataclasses.dataclass(frozen=True)
class Head:
    """Shape and skin of the head, and the light that falls on it."""

    skin: Colour
    width: float
    jaw: float  # From -0.15 (pointed) to 0.25 (square).
    ear: float
    earring: str
    blush: int
    freckles: tuple[tuple[float, float], ...]
    light: tuple[float, float]  # Where it comes from: a vector [x, y] in the plane of the picture.
    contrast: float
    exposure: Colour  # The gain of each channel, in 256ths.


@dataclasses.dataclass(frozen=True)
class Eyes:
    """Both eyes: how far apart, how open, which way they look."""

    spacing: float
    y: float
    width: float
    upper: float
    lower: float
    slant: float
    iris: Colour
    iris_size: float
    gaze: tuple[float, float]
    closed: tuple[bool, bool]
    closed_bend: float
    lashes: float
    lid: Colour | None


@dataclasses.dataclass(frozen=True)
class Brows:
    """Both brows."""

    lift: float
    thickness: float
    arch: float
    slope: float  # Above 0 the inner ends are lower (stern), below 0 they are higher (worried).
    skew: float  # One brow higher than the other.


@dataclasses.dataclass(frozen=True)
class Nose:
    """The nose."""

    kind: str
    length: float
    width: float


@dataclasses.dataclass(frozen=True)
class Mouth:
    """The mouth, from the expression it makes."""

    y: float
    width: float
    bend: float  # Above 0 the corners go up.
    skew: float
    opening: float
    teeth: bool
    fullness: float
    lips: Colour


@dataclasses.dataclass(frozen=True)
class Hair:
    """Hair, hat and beard. `top` is what lies on the head, `back` what hangs or stands behind it."""

    colour: Colour
    top: str
    back: str
    volume: float
    part: float
    line: float
    side: float
    hat: str
    hat_colour: Colour
    beard: str


@dataclasses.dataclass(frozen=True)
class Glasses:
    """Glasses; kind "none" for bare eyes."""

    kind: str
    colour: Colour
    size: float


@dataclasses.dataclass(frozen=True)
class Scene:
    """Clothes and background."""

    clothes: str
    fabric: Colour
    trim: Colour
    shoulders: float
    corners: tuple[Colour, Colour, Colour, Colour]
    pattern: str
    pattern_colour: Colour
    pattern_phase: float


@dataclasses.dataclass(frozen=True)
class Face:
    """All that a drawn face consists of, independent of the size of the picture."""

    pose: Pose
    head: Head
    eyes: Eyes
    brows: Brows
    nose: Nose
    mouth: Mouth
    hair: Hair
    glasses: Glasses
    scene: Scene


# --- Sampling the attributes -----------------------------------------------------------------------------------------


def sample_face(rng: np.random.Generator) -> Face:
    """A face with random attributes; uses only `rng.integers` and `rng.random`."""
    feminine = chance(rng, 0.5)  # Only makes some combinations of hair, beard and lips more likely than others.
    head = sample_head(rng, feminine)
    return Face(
        pose=sample_pose(rng),
        head=head,
        eyes=sample_eyes(rng, feminine),
        brows=sample_brows(rng, feminine),
        nose=sample_nose(rng),
        mouth=sample_mouth(rng, feminine, head.skin),
        hair=sample_hair(rng, feminine, head.skin),
        glasses=sample_glasses(rng),
        scene=sample_scene(rng),
    )


def sample_pose(rng: np.random.Generator) -> Pose:
    """A pose: centred, turned by up to about 25 degrees and tilted by up to about 9."""
    yaw = centred(rng, 0.3)
    scale = between(rng, 0.325, 0.36)
    return Pose(
        x=0.5 - 0.5 * yaw * scale + centred(rng, 0.015),
        y=0.52 + centred(rng, 0.015),
        scale=scale,
        tilt=centred(rng, 0.16),
        yaw=yaw,
        pitch=centred(rng, 0.1),
    )


def sample_head(rng: np.random.Generator, feminine: bool) -> Head:
    """The head, the skin and the light."""
    tone = between(rng, 0, len(SKINS) - 1.001)
    angle = CIRCLE[int(rng.integers(24, 49)) % 48]  # From anywhere above.
    gain, warmth = between(rng, 218, 268), centred(rng, 16)
    freckled = chance(rng, 0.12)
    return Head(
        skin=mix(SKINS[int(tone)], SKINS[int(tone) + 1], tone - int(tone)),
        width=between(rng, 0.7, 0.82),
        jaw=between(rng, -0.14, 0.08) if feminine else between(rng, -0.08, 0.22),
        ear=between(rng, 0.14, 0.2),
        earring=pick(rng, ("none", "stud", "hoop", "drop") if feminine else ("none",) * 7 + ("stud",)),
        blush=int(rng.integers(0, 26)),
        freckles=tuple((between(rng, -0.5, 0.5), between(rng, 0.1, 0.36)) for _ in range(14 if freckled else 0)),
        light=(float(angle[0]), float(angle[1])),
        contrast=between(rng, 0.45, 1.0),
        exposure=(int(gain + warmth), int(gain), int(gain - warmth)),
    )


def sample_eyes(rng: np.random.Generator, feminine: bool) -> Eyes:
    """The eyes; closed sometimes, and sometimes only one."""
    wink = int(rng.integers(24))
    both = chance(rng, 0.08)
    return Eyes(
        spacing=between(rng, 0.3, 0.36),
        y=between(rng, -0.03, 0.05),
        width=between(rng, 0.155, 0.205),
        upper=between(rng, 0.075, 0.16),
        lower=between(rng, 0.05, 0.1),
        slant=between(rng, -0.02, 0.05),
        iris=pick(rng, IRISES),
        iris_size=between(rng, 0.088, 0.115),
        gaze=(centred(rng, 0.08), centred(rng, 0.03)),
        closed=(both or wink == 0, both or wink == 1),
        closed_bend=pick(rng, (-0.08, 0.07)),
        lashes=between(rng, 0.045, 0.075) if feminine else between(rng, 0.025, 0.045),
        lid=pick(rng, (None, None, (120, 84, 150), (84, 122, 160), (150, 72, 92)) if feminine else (None,)),
    )


def sample_brows(rng: np.random.Generator, feminine: bool) -> Brows:
    """The brows."""
    return Brows(
        lift=between(rng, 0.0, 0.09),
        thickness=between(rng, 0.04, 0.075) if feminine else between(rng, 0.055, 0.115),
        arch=between(rng, 0.02, 0.1),
        slope=centred(rng, 0.1),
        skew=pick(rng, (0.0, 0.0, 0.0, 0.0, -0.07, 0.07)),
    )


def sample_nose(rng: np.random.Generator) -> Nose:
    """The nose."""
    kind = pick(rng, ("button", "ridge", "wide", "wedge"))
    return Nose(kind=kind, length=between(rng, 0.26, 0.4), width=between(rng, 0.1, 0.17))


def sample_mouth(rng: np.random.Generator, feminine: bool, skin: Colour) -> Mouth:
    """The mouth: an expression with small variations."""
    moods = ("smile", "smile", "grin", "grin", "laugh", "neutral", "neutral", "smirk", "sad", "surprise")
    width, bend, skew, opening, teeth = {
        "smile": (0.32, 0.13, 0.0, 0.0, False),
        "grin": (0.35, 0.14, 0.0, 0.13, True),
        "laugh": (0.34, 0.15, 0.0, 0.26, True),
        "neutral": (0.27, 0.0, 0.0, 0.0, False),
        "smirk": (0.29, 0.06, 0.06, 0.0, False),
        "sad": (0.26, -0.1, 0.0, 0.0, False),
        "surprise": (0.15, -0.03, 0.0, 0.17, False),
    }[pick(rng, moods)]
    painted = feminine and chance(rng, 0.6)
    return Mouth(
        y=between(rng, 0.51, 0.57),
        width=width * between(rng, 0.88, 1.12),
        bend=bend + centred(rng, 0.04),
        skew=skew * pick(rng, (-1, 1)),
        opening=opening * between(rng, 0.75, 1.2),
        teeth=teeth,
        fullness=between(rng, 0.06, 0.1) if feminine else between(rng, 0.03, 0.07),
        lips=pick(rng, LIPS) if painted else mix(skin, (176, 56, 66), between(rng, 0.32, 0.55)),
    )


def sample_hair(rng: np.random.Generator, feminine: bool, skin: Colour) -> Hair:
    """Hair on and behind the head, a hat on one head in seven, and a beard on many a man."""
    if feminine:
        tops = ("fringe", "fringe", "parted", "parted", "parted", "swept", "curly", "crop")
        backs = ("none", "bob", "bob", "long", "long", "wavy", "wavy", "afro", "bun", "ponytail", "pigtails")
        beards = ("none",)
    else:
        tops = ("bald", "balding", "buzz", "crop", "crop", "parted", "fringe", "swept", "curly", "spiky")
        backs = ("none",) * 11 + ("bob", "long", "afro", "bun")
        beards = ("none",) * 4 + ("stubble", "stubble", "full", "full", "goatee", "moustache", "chinstrap")
    top, back = pick(rng, tops), pick(rng, backs)
    hat = pick(rng, ("none",) * 24 + ("beanie", "cap", "brim", "headband"))
    if hat in ("beanie", "cap", "brim"):
        top, back = pick(rng, ("crop", "fringe", "parted")), "none" if back in ("bun", "afro") else back
    colours = DYED_HAIR if chance(rng, 0.07) else DARK_HAIR + GREY_HAIR if skin[0] < 165 else NATURAL_HAIR
    return Hair(
        colour=pick(rng, colours),
        top=top,
        back="none" if top in ("bald", "balding", "buzz", "spiky") else back,
        volume=between(rng, 0.07, 0.17),
        part=between(rng, -0.6, 0.6),
        line=between(rng, -0.64, -0.54),
        side=between(rng, -0.12, 0.14),
        hat=hat,
        hat_colour=pick(rng, FABRICS),
        beard=pick(rng, beards),
    )


def sample_glasses(rng: np.random.Generator) -> Glasses:
    """Glasses on three faces in ten."""
    kinds = ("none",) * 17 + ("round", "round", "square", "square", "half", "cat", "sun")
    frames = ((44, 40, 52), (44, 40, 52), (96, 58, 44), (196, 64, 70), (70, 98, 150), GOLD, (236, 232, 224))
    return Glasses(kind=pick(rng, kinds), colour=pick(rng, frames), size=between(rng, 0.25, 0.31))


def sample_scene(rng: np.random.Generator) -> Scene:
    """Clothes and background: one colour, or a gradient, with or without a pattern."""
    first, second = pick(rng, BACKDROPS), pick(rng, BACKDROPS)
    second = pick(rng, (first, mix(first, second, 0.5), second, mix(first, (40, 44, 70), 0.35)))
    half = mix(first, second, 0.5)
    patterns = ("none",) * 6 + ("stripes", "dots", "hills", "bokeh", "window", "rays")
    return Scene(
        clothes=pick(rng, ("crew", "vee", "shirt", "turtleneck", "hoodie", "striped")),
        fabric=pick(rng, FABRICS),
        trim=pick(rng, FABRICS),
        shoulders=between(rng, 1.12, 1.38),
        corners=pick(rng, ((first, first, second, second), (first, half, half, second), (half, first, second, half))),
        pattern=pick(rng, patterns),
        pattern_colour=mix(pick(rng, BACKDROPS), WHITE, between(rng, 0, 0.7)),
        pattern_phase=rng.random(),
    )


# --- The pen: from face units to pixels ------------------------------------------------------------------------------


class Pen:
    """Fills shapes on a canvas several times as large as the picture.

    Shapes are given in one of three spaces: "head" (face units, turned and tilted with the head), "body" (face units
    that stay upright) and "frame" (the picture, from 0 to 1).
    """

    def __init__(self, face: Face, size: int):
        self.face = face
        self.oversampling = 8 if size <= 32 else 4 if size <= 64 else 3 if size <= 128 else 2
        self.side = size * self.oversampling
        self.image = Image.new("RGB", (self.side, self.side))
        self._opaque = ImageDraw.Draw(self.image)
        self._blended = ImageDraw.Draw(self.image, "RGBA")

    def fill(self, shape: np.ndarray, colour: Colour, alpha: int = 255, space: str = "head") -> None:
        """Fill the shape [points, 2] with a colour; `alpha` below 255 lets what is beneath it show through."""
        corners = self.to_canvas(shape, space)
        if alpha == 255:
            self._opaque.polygon(corners, fill=colour)
        else:
            self._blended.polygon(corners, fill=(*colour, alpha))

    def soften(self, shapes: list[np.ndarray], strength: Callable[..., np.ndarray], colour: Colour) -> None:
        """Blend `colour` into the union of the shapes; `strength(x, y)` gives how much, 0 .. 1, in face units."""
        corners = [self.to_canvas(shape, "head") for shape in shapes]
        flat = np.concatenate(corners)
        left, right = max(0, int(flat[::2].min())), min(self.side, int(flat[::2].max()) + 1)
        top, bottom = max(0, int(flat[1::2].min())), min(self.side, int(flat[1::2].max()) + 1)
        mask = Image.new("L", (self.side, self.side))
        draw = ImageDraw.Draw(mask)
        for shape in corners:
            draw.polygon(shape, fill=255)
        pose = self.face.pose
        steps = (np.arange(48) + 0.5) / 48
        x = ((left + (right - left) * steps) / self.side - pose.x) / pose.scale
        y = ((top + (bottom - top) * steps) / self.side - pose.y) / pose.scale
        amount = np.floor(255 * np.clip(strength(x[None, :], y[:, None]), 0, 1) + 0.5).astype(np.uint8)
        box = (left, top, right, bottom)
        amount = Image.fromarray(amount).resize((right - left, bottom - top), Image.Resampling.BILINEAR)
        self.image.paste(colour, box, ImageChops.multiply(mask.crop(box), amount))

    def to_canvas(self, shape: np.ndarray, space: str) -> list[int]:
        """The canvas coordinates x0, y0, x1, y1, ... of the points [n, 2] of a shape."""
        if space == "head":
            shape = self.turned(shape)
        if space != "frame":
            shape = shape * self.face.pose.scale + (self.face.pose.x, self.face.pose.y)
        return np.floor(shape * self.side + 0.5).astype(int).ravel().tolist()

    def turned(self, shape: np.ndarray) -> np.ndarray:
        """Points on the head after it turned to the side (which moves what bulges towards us most) and tilted."""
        pose = self.face.pose
        x, y = shape[:, 0], shape[:, 1]
        across = x / self.face.head.width
        bulge = np.maximum(0, 1 - across * across - y * y)
        x, y = x + pose.yaw * bulge, y + pose.pitch * bulge
        cosine = math.sqrt(1 - pose.tilt * pose.tilt)
        return points(x * cosine - y * pose.tilt, x * pose.tilt + y * cosine)

    def finish(self) -> np.ndarray:
        """The picture: uint8 [size, size, 3]."""
        return np.asarray(self.image.reduce(self.oversampling))


# --- Background and body ---------------------------------------------------------------------------------------------


def draw_background(pen: Pen, scene: Scene) -> None:
    """A gradient between four corner colours, and a pattern on it."""
    corners = Image.fromarray(np.array(scene.corners, np.uint8).reshape(2, 2, 3))
    gradient = corners.resize((pen.side, pen.side), Image.Resampling.BILINEAR, box=(0.5, 0.5, 1.5, 1.5))
    pen.image.paste(gradient, (0, 0))
    for shape, alpha in PATTERNS[scene.pattern](scene.pattern_phase):
        pen.fill(shape, scene.pattern_colour, alpha, space="frame")


def stripes(phase: float) -> list[tuple[np.ndarray, int]]:
    """Slanted or upright stripes."""
    slant = (0.0, 0.35, -0.35)[int(phase * 3)]
    starts = [(k + phase) * 0.25 - 0.6 for k in range(9)]
    return [(np.array([(x, 0), (x + 0.1, 0), (x + 0.1 + slant, 1), (x + slant, 1)]), 120) for x in starts]


def dots(phase: float) -> list[tuple[np.ndarray, int]]:
    """A grid of dots, every other row shifted."""
    grid = [(k + 0.5 * (row % 2), row + phase) for row in range(-1, 6) for k in range(6)]
    return [(ellipse(0.2 * x, 0.2 * y, 0.045, 0.045)[::2], 130) for x, y in grid]


def hills(phase: float) -> list[tuple[np.ndarray, int]]:
    """Two lines of hills."""
    near = ellipse(phase, 1.05, 0.75, 0.5)
    return [(ellipse(1.1 - phase, 1.0, 0.8, 0.62), 90), (near, 120)]


def bokeh(phase: float) -> list[tuple[np.ndarray, int]]:
    """Lights out of focus, large and faint."""
    places = [((0.37 * k + phase) % 1.0, (0.61 * k + 0.3 * phase) % 0.9, 0.06 + 0.02 * (k % 4)) for k in range(11)]
    return [(ellipse(x, y, r, r), 90) for x, y, r in places]


def window(phase: float) -> list[tuple[np.ndarray, int]]:
    """A wall with a bright window."""
    left = phase - 0.35
    return [
        (np.array([(x, y), (x + 0.27, y), (x + 0.27, y + 0.3), (x, y + 0.3)]), 170)
        for x in (left, left + 0.3)
        for y in (0.06, 0.39)
    ]


def rays(phase: float) -> list[tuple[np.ndarray, int]]:
    """Rays from behind the head."""
    turn = int(phase * 4)
    far = CIRCLE * 0.9 + 0.5
    return [(np.array([(0.5, 0.5), far[(k + turn) % 48], far[(k + turn + 2) % 48]]), 110) for k in range(0, 48, 4)]


PATTERNS = {
    "none": lambda phase: [], "stripes": stripes, "dots": dots, "hills": hills, "bokeh": bokeh, "window": window,
    "rays": rays,
}  # fmt: skip


def draw_body(pen: Pen, face: Face) -> None:
    """Neck and shoulders, with the shadow of the head on the neck."""
    skin, scene = shaded(face.head.skin, 0.1), face.scene
    neck = symmetric((-0.36, 0.5), (-0.35, 1.0), (-0.5, 1.3), (-0.7, 1.7))

    lean = np.array((-0.6 * face.pose.tilt, 0))
    shade = np.array((0.06 if face.head.light[0] > 0 else -0.06, 0.16))

    def body(shape: np.ndarray, colour: Colour, alpha: int = 255) -> None:
        pen.fill(shape + lean, colour, alpha, space="body")

    width = scene.shoulders
    torso = symmetric((-0.3, 1.14), (-0.62, 1.22), (-width, 1.36), (-width - 0.12, 1.9))
    if scene.clothes == "hoodie":
        body(ellipse(0, 1.2, 0.72, 0.3), shaded(scene.fabric, 0.25))
    body(neck, skin)
    body(ellipse(0, 0.85, 0.33, 0.42), shaded(skin, 0.3), 150)
    body(torso, scene.fabric)
    body(torso + shade, shaded(scene.fabric, 0.2), 90)
    COLLARS[scene.clothes](body, scene, skin)


def collar_crew(body: Callable, scene: Scene, skin: Colour) -> None:
    """A round neckline with a rim."""
    body(ellipse(0, 1.12, 0.41, 0.22), shaded(scene.fabric, 0.25))
    body(ellipse(0, 1.1, 0.36, 0.18), skin)


def collar_vee(body: Callable, scene: Scene, skin: Colour) -> None:
    """A neckline that runs to a point."""
    body(np.array([(-0.42, 1.1), (0.42, 1.1), (0, 1.68)]), scene.trim)
    body(np.array([(-0.36, 1.0), (0.36, 1.0), (0, 1.56)]), skin)


def collar_shirt(body: Callable, scene: Scene, skin: Colour) -> None:
    """A shirt with a folded collar."""
    body(np.array([(-0.3, 1.05), (0.3, 1.05), (0, 1.46)]), skin)
    leaf = np.array([(-0.42, 1.06), (-0.3, 1.04), (0.0, 1.44), (-0.22, 1.6), (-0.46, 1.28)])
    for mirrored in (leaf, leaf * (-1, 1)):
        body(mirrored, mix(scene.fabric, WHITE, 0.45))


def collar_turtleneck(body: Callable, scene: Scene, skin: Colour) -> None:
    """A collar up to the chin."""
    body(curve((-0.42, 1.3), (-0.38, 0.92), (0, 1.02), (0.38, 0.92), (0.42, 1.3)), shaded(scene.fabric, 0.12))


def collar_hoodie(body: Callable, scene: Scene, skin: Colour) -> None:
    """The edge of a hood, with two strings."""
    body(ellipse(0, 1.1, 0.36, 0.24), skin)
    edge = curve((-0.66, 1.1), (-0.4, 1.3), (0, 1.42), (0.4, 1.3), (0.66, 1.1))
    body(ribbon(edge, 0.14, 0.5), mix(scene.fabric, WHITE, 0.15))
    for x in (-0.16, 0.16):
        body(ribbon(curve((x, 1.4), (x * 1.2, 1.75)), 0.05), WHITE)


def collar_striped(body: Callable, scene: Scene, skin: Colour) -> None:
    """Stripes, with a wide neckline."""
    for y in (1.38, 1.62):
        body(ribbon(curve((-1.6, y + 0.12), (0, y), (1.6, y + 0.12)), 0.1), scene.trim)
    body(ellipse(0, 1.12, 0.46, 0.2), skin)


COLLARS = {
    "crew": collar_crew, "vee": collar_vee, "shirt": collar_shirt, "turtleneck": collar_turtleneck,
    "hoodie": collar_hoodie, "striped": collar_striped,
}  # fmt: skip


# --- Head ------------------------------------------------------------------------------------------------------------


def head_outline(head: Head, circle: np.ndarray = CIRCLE) -> np.ndarray:
    """The outline of the head, or the part of it that belongs to a part of the unit circle."""
    x, y = circle[:, 0], circle[:, 1]
    low = np.maximum(y, 0)
    return points(head.width * x * (1 + head.jaw * low * low), y)


def draw_head(pen: Pen, face: Face) -> None:
    """Ears and head in plain skin, then light and shadow on them, then the cheeks."""
    head = face.head
    outline, ears = head_outline(head), ear_outlines(face)
    for ear in ears:
        pen.fill(ear, shaded(head.skin, 0.1))
        pen.fill((ear - ear.mean(axis=0)) * 0.55 + ear.mean(axis=0), shaded(head.skin, 0.3))
    pen.fill(outline, head.skin)
    light_x, light_y = head.light

    def shadow(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        x = x / head.width
        return head.contrast * (0.32 * (x * x + y * y) - 0.4 * (x * light_x + y * light_y) - 0.12)

    def light(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        x, y = x / head.width - 0.45 * light_x, y - 0.45 * light_y
        return 0.4 * head.contrast * (1 - 1.3 * (x * x + y * y))

    pen.soften([outline, *ears], shadow, shaded(head.skin, 0.75))
    pen.soften([outline], light, WARM_LIGHT)
    draw_cheeks(pen, head)
    if face.hair.back not in ("long", "wavy", "bob"):
        draw_earrings(pen, head, ears)


def ear_outlines(face: Face) -> list[np.ndarray]:
    """Both ears; turning the head hides one of them and shows more of the other."""
    head, yaw = face.head, face.pose.yaw
    return [ellipse(side * head.width - 0.35 * yaw, 0.1, head.ear * 0.72, head.ear * 1.15) for side in (-1, 1)]


def draw_cheeks(pen: Pen, head: Head) -> None:
    """Blush (fading outwards) and freckles."""
    for side in (-1, 1):
        for radius in (0.2, 0.16, 0.11):
            pen.fill(ellipse(side * 0.43, 0.3, radius, 0.75 * radius), BLUSH, head.blush + 4)
    for x, y in head.freckles:
        pen.fill(ellipse(x, y, 0.022, 0.02)[::3], shaded(head.skin, 0.45), 190)


def draw_earrings(pen: Pen, head: Head, ears: list[np.ndarray]) -> None:
    """A stud, a hoop or a drop below each ear."""
    if head.earring == "none":
        return
    for ear in ears:
        x, y = float(ear[:, 0].mean()), float(ear[:, 1].max())
        if head.earring == "hoop":
            pen.fill(ribbon(ellipse(x, y + 0.1, 0.1, 0.12), 0.045, closed=True), GOLD)
        elif head.earring == "drop":
            pen.fill(np.array([(x, y - 0.02), (x - 0.06, y + 0.2), (x, y + 0.26), (x + 0.06, y + 0.2)]), GOLD)
        else:
            pen.fill(ellipse(x, y - 0.02, 0.045, 0.045), GOLD)


# --- Facial features -------------------------------------------------------------------------------------------------


def draw_eyes(pen: Pen, face: Face) -> None:
    """Both eyes, open or closed."""
    for side, closed in zip((-1, 1), face.eyes.closed, strict=True):
        if closed:
            draw_closed_eye(pen, face, side)
        else:
            draw_open_eye(pen, face, side)


def eye_frame(eyes: Eyes, side: int) -> Callable[..., np.ndarray]:
    """Places what is given as u (-1 inner corner .. 1 outer corner) and height above the line between the corners."""

    def place(u: np.ndarray, y: np.ndarray | float) -> np.ndarray:
        return points(side * (eyes.spacing + eyes.width * u), eyes.y + y - eyes.slant * u)

    return place


def draw_closed_eye(pen: Pen, face: Face, side: int) -> None:
    """A bent line: up for a smiling eye, down for a sleeping one."""
    eyes = face.eyes
    lid = eye_frame(eyes, side)(ACROSS, eyes.closed_bend * (1 - ACROSS * ACROSS) - 0.3 * eyes.closed_bend)
    pen.fill(ribbon(lid, 0.035 + eyes.lashes, 0.7), INK)


def draw_open_eye(pen: Pen, face: Face, side: int) -> None:
    """White, iris, pupil and highlight, cut off at the lids."""
    eyes, skin, place = face.eyes, face.head.skin, eye_frame(face.eyes, side)
    bulge = 1 - ACROSS * ACROSS
    top, bottom = place(ACROSS, -eyes.upper * bulge), place(ACROSS, eyes.lower * bulge)
    if eyes.lid:
        pen.fill(band(place(1.1 * ACROSS, -2.0 * eyes.upper * bulge), bottom), eyes.lid, 110)
    pen.fill(band(top, bottom), WHITE)

    def disc(dx: float, dy: float, radius: float, colour: Colour, alpha: int = 255) -> None:
        x, y = (ellipse(side * (eyes.gaze[0] + dx), eyes.gaze[1] + dy, radius, radius) * (side, 1)).T
        u = np.clip(x / eyes.width, -1, 1)
        pen.fill(place(u, np.clip(y, -eyes.upper * (1 - u * u), eyes.lower * (1 - u * u))), colour, alpha)

    disc(0, 0, eyes.iris_size, shaded(eyes.iris, 0.35))
    disc(0, 0.012, eyes.iris_size * 0.8, mix(eyes.iris, WHITE, 0.12))
    disc(0, 0, eyes.iris_size * 0.5, (26, 20, 28))
    disc(0.4 * eyes.iris_size * face.head.light[0], -0.035, eyes.iris_size * 0.32, WHITE)
    pen.fill(ribbon(top, 0.02 + eyes.lashes, 0.6), INK)
    pen.fill(ribbon(bottom, 0.022, 0.8), shaded(skin, 0.55))
    pen.fill(ribbon(top - (0, 0.07), 0.022, 1), shaded(skin, 0.45))


def draw_brows(pen: Pen, face: Face) -> None:
    """Tapering strokes above the eyes, thicker towards the nose."""
    brows, eyes = face.brows, face.eyes
    colour = shaded(mix(face.hair.colour, INK, 0.3), 0.1)
    for side in (-1, 1):
        y = eyes.y - eyes.upper - 0.16 - brows.lift + side * brows.skew * 0.5
        inner, outer = eyes.spacing - 0.17, eyes.spacing + 0.25
        path = curve(
            (side * inner, y + brows.slope),
            (side * (inner + 0.22), y - brows.arch),
            (side * outer, y - 0.6 * brows.slope + 0.03),
        )
        pen.fill(ribbon(path, brows.thickness, 0.55), colour)


def draw_nose(pen: Pen, face: Face) -> None:
    """A nose of one of four kinds, shaded on the side away from the light."""
    nose, skin = face.nose, face.head.skin
    dark, bright = shaded(skin, 0.42), mix(skin, WARM_LIGHT, 0.7)
    side = -1 if face.head.light[0] > 0 else 1
    tip, wing = nose.length, nose.width
    base = points(wing * ACROSS, tip + 0.045 - 0.085 * ACROSS * ACROSS)
    if nose.kind == "wedge":
        pen.fill(np.array([(0.0, -0.06), (side * wing, tip), (0, tip + 0.05)]), dark, 130)
    if nose.kind == "ridge":
        pen.fill(ribbon(curve((side * 0.09, -0.08), (side * 0.05, 0.12), (side * wing, tip - 0.03)), 0.04, 0.6), dark)
    if nose.kind == "wide":
        for x in (-0.5 * wing, 0.5 * wing):
            pen.fill(ellipse(x * 1.1, tip + 0.01, 0.035, 0.025), shaded(skin, 0.65))
        base = base * (1.35, 1)
    if nose.kind == "button":
        pen.fill(ellipse(0, tip - 0.04, wing, 0.1), shaded(skin, 0.25), 110)
    pen.fill(ribbon(base, 0.045, 0.7), dark)
    pen.fill(ellipse(-side * 0.03, tip - 0.07, 0.045, 0.04), bright, 170)


def draw_mouth(pen: Pen, face: Face) -> None:
    """Lips around a line, or around an opening with teeth or a tongue."""
    mouth = face.mouth
    bulge = 1 - ACROSS * ACROSS
    x, line = mouth.width * ACROSS, mouth.y - mouth.bend * (ACROSS * ACROSS - 0.4) + mouth.skew * ACROSS
    upper, lower = line - 0.3 * mouth.opening * bulge, line + mouth.opening * bulge
    dip = 0.35 * np.maximum(0, 1 - 16 * ACROSS * ACROSS)  # The dent in the middle of the upper lip.
    pen.fill(band(points(x, upper - mouth.fullness * (bulge - dip)), points(x, line)), shaded(mouth.lips, 0.12))
    pen.fill(band(points(x, line), points(x, lower + 1.2 * mouth.fullness * bulge)), mouth.lips)
    if mouth.opening == 0:
        pen.fill(ribbon(points(x, line), 0.04, 0.5), shaded(mouth.lips, 0.7))
        return
    pen.fill(band(points(x, upper), points(x, lower)), (104, 28, 44))
    tongue = np.maximum(upper, lower - 0.45 * mouth.opening * bulge)
    pen.fill(band(points(0.7 * x, tongue), points(0.7 * x, lower)), (222, 96, 104))
    if mouth.teeth:
        edge = np.minimum(lower, upper + np.maximum(0.09, 0.45 * mouth.opening) * np.minimum(1, 3 * bulge))
        pen.fill(band(points(x, upper), points(x, edge)), WHITE)


# --- Hair, beard and hat ---------------------------------------------------------------------------------------------


def draw_back_hair(pen: Pen, face: Face) -> None:
    """What is behind the head."""
    hair, width = face.hair, face.head.width
    colour = shaded(hair.colour, 0.28)
    for shape in BACKS[hair.back](width, hair):
        pen.fill(shape, colour)


def back_bob(width: float, hair: Hair) -> list[np.ndarray]:
    """Hair to the chin."""
    w = width + hair.volume
    return [symmetric((0, -0.98), (-0.9, -0.6), (-1.08, 0.1), (-1.12, 0.7), (-0.7, 0.86)) * (w, 1)]


def back_long(width: float, hair: Hair) -> list[np.ndarray]:
    """Straight hair over the shoulders."""
    w = width + hair.volume
    return [symmetric((0, -0.98), (-0.9, -0.6), (-1.05, 0.2), (-1.12, 1.1), (-1.0, 1.7)) * (w, 1)]


def back_wavy(width: float, hair: Hair) -> list[np.ndarray]:
    """Long hair in waves."""
    w = width + hair.volume
    waves = ((-1.02, -0.1), (-1.2, 0.25), (-1.08, 0.55), (-1.32, 0.95), (-1.16, 1.3), (-1.3, 1.7))
    return [symmetric((0, -0.98), (-0.9, -0.6), *waves) * (w, 1)]


def back_afro(width: float, hair: Hair) -> list[np.ndarray]:
    """A large round mass of curls."""
    centre, reach = (0, -0.32), 0.94 + hair.volume
    bumps = [ellipse(x * reach, y * reach, 0.2, 0.2) + centre for x, y in CIRCLE[::3]]
    return [CIRCLE * (reach + 0.06) + centre, *bumps]


def back_bun(width: float, hair: Hair) -> list[np.ndarray]:
    """A knot on top."""
    return [ellipse(hair.part * 0.2, -1.14 - hair.volume, 0.34, 0.27)]


def back_ponytail(width: float, hair: Hair) -> list[np.ndarray]:
    """A tail that shows on one side."""
    side = 1 if hair.part > 0 else -1
    tail = curve((0.5, -0.6), (1.0, -0.55), (1.3, 0.0), (1.22, 0.7), (1.0, 1.0), (0.98, 0.3), (0.7, 0))
    return [tail * (side, 1)]


def back_pigtails(width: float, hair: Hair) -> list[np.ndarray]:
    """Two tufts at the sides."""
    tuft = curve((-0.6, -0.2), (-1.05, -0.25), (-1.3, 0.25), (-1.1, 0.85), (-0.95, 0.4), (-0.7, 0.15))
    return [tuft, tuft * (-1, 1)]


BACKS = {
    "none": lambda width, hair: [], "bob": back_bob, "long": back_long, "wavy": back_wavy, "afro": back_afro,
    "bun": back_bun, "ponytail": back_ponytail, "pigtails": back_pigtails,
}  # fmt: skip


def hairline(hair: Hair) -> np.ndarray:
    """The height of the edge of the hair on the forehead at each of ACROSS."""
    u = ACROSS
    square, fourth = u * u, u * u * u * u
    if hair.top == "fringe":
        return -0.36 + 0.05 * square + 0.35 * fourth * fourth
    if hair.top == "parted":
        reach = np.where(u > hair.part, 1 - hair.part, 1 + hair.part)
        slope = (u - hair.part) / reach
        return -0.8 + 0.62 * slope * slope + 0.14 * fourth * fourth
    if hair.top == "swept":
        return hair.line - 0.1 + 0.14 * u * (1 if hair.part > 0 else -1) + 0.5 * fourth
    if hair.top == "spiky":
        return hair.line + 0.08 * (np.arange(len(u)) % 2) + 0.5 * fourth
    return hair.line + 0.5 * fourth


def cap(face: Face, line: np.ndarray, volume: float, side: float) -> np.ndarray:
    """The area of the head above a line, as thick as `volume` beyond the head, ending at height `side`."""
    width = face.head.width
    over = CROWN * (width + 0.45 * volume, 1 + volume)
    over = over[over[:, 1] <= side]
    edge = points(0.93 * width * ACROSS, line)
    corner = np.array([(1.01 * width * math.sqrt(1 - min(side, 0) * side), side)])
    return np.concatenate([corner * (-1, 1), over, corner, edge[::-1]])


def draw_hair(pen: Pen, face: Face) -> None:
    """The hair on the head, with its shadow on the forehead and a shine."""
    hair = face.hair
    if hair.top == "bald":
        return
    if hair.top in ("balding", "buzz"):
        draw_thin_hair(pen, face)
        return
    line = hairline(hair)
    volume = hair.volume + (0.1 if hair.top in ("swept", "spiky") else 0)
    if hair.hat in ("beanie", "cap", "brim"):
        volume = 0.04
    shape = cap(face, line, volume, hair.side)
    x = 0.9 * face.head.width * ACROSS
    pen.fill(band(points(x, line - 0.05), points(x, line + 0.07)), shaded(face.head.skin, 0.5), 90)
    pen.fill(shape, hair.colour)
    for extra in hair_extras(face, volume, line):
        pen.fill(extra, hair.colour)
    draw_locks(pen, face)
    draw_shine(pen, face)


def hair_extras(face: Face, volume: float, line: np.ndarray) -> list[np.ndarray]:
    """Curls or spikes along the edges of the hair."""
    hair, width = face.hair, face.head.width
    reach = (width + 0.3 * volume, 1 + 0.6 * volume)
    if hair.top == "curly":
        outside = [ellipse(x * reach[0], y * reach[1], 0.15, 0.15) for x, y in CROWN[::2]]
        inside = [ellipse(0.85 * width * u, y, 0.12, 0.11) for u, y in zip(ACROSS[1:-1:2], line[1:-1:2], strict=True)]
        return outside + inside
    if hair.top == "spiky":
        return [
            np.array([CROWN[k - 2] * reach, CROWN[k] * reach * 1.28 + (0.1 * hair.part, 0), CROWN[k + 2] * reach])
            for k in range(4, 22, 2)
        ]
    return []


def draw_locks(pen: Pen, face: Face) -> None:
    """Locks in front of the ears, for hair that hangs down."""
    hair, inner = face.hair, -face.head.width
    end = {"bob": 0.8, "long": 1.9, "wavy": 1.9}.get(hair.back)
    if end is None:
        return
    outer = inner - 0.7 * hair.volume
    anchors = ((0.8 * inner, -0.6), (1.06 * outer, -0.1), (1.12 * outer, 0.5), (1.1 * outer, end))
    lock = curve(*anchors, (0.93 * inner, 0.97 * end), (0.9 * inner, 0.5), (0.86 * inner, 0.0))
    crease = curve((0.95 * inner, -0.2), (1.02 * inner, 0.4), (1.0 * inner, 0.9 * end))
    for side in (1, -1):
        pen.fill(lock * (side, 1), hair.colour)
        pen.fill(ribbon(crease * (side, 1), 0.07, 1), shaded(hair.colour, 0.35), 110)


def draw_shine(pen: Pen, face: Face) -> None:
    """Light and dark strands that follow the shape of the head, and a bright arc towards the light."""
    hair, width = face.hair, face.head.width
    root = hair.part * width * 0.6
    for u in (-0.85, -0.5, -0.15, 0.25, 0.6, 0.9):
        end = (u * width * 0.98, -0.72 + 0.5 * u * u)
        strand = curve((root, -0.93), (0.5 * (root + end[0]) + 0.06 * u, -0.82), end)
        pen.fill(ribbon(strand, 0.04, 1), shaded(hair.colour, 0.4), 110)
    middle = 12 + int(6 * face.head.light[0])
    arc = CROWN[middle - 5 : middle + 6] * (width * 0.84, 0.9)
    pen.fill(ribbon(arc, 0.12, 1), mix(hair.colour, WARM_LIGHT, 0.6), 90)


def draw_thin_hair(pen: Pen, face: Face) -> None:
    """A shaven head, or hair at the sides only."""
    hair, width = face.hair, face.head.width
    if hair.top == "buzz":
        pen.fill(cap(face, hairline(hair), 0.02, -0.1), hair.colour, 190)
        return
    tuft = curve((-0.86, -0.5), (-1.06, -0.35), (-1.1, 0.05), (-0.93, 0.12), (-0.9, -0.2)) * (width, 1)
    for side in (-1, 1):
        pen.fill(tuft * (side, 1), hair.colour)


def draw_beard(pen: Pen, face: Face) -> None:
    """Beard, moustache or stubble."""
    for shape, alpha in beard_shapes(face):
        pen.fill(shape, shaded(face.hair.colour, 0.12), alpha)


def beard_shapes(face: Face) -> list[tuple[np.ndarray, int]]:
    """The shapes of a beard, each with its alpha."""
    kind, w, mouth = face.hair.beard, face.head.width, face.mouth
    lip = mouth.y - mouth.fullness - 0.3 * mouth.opening
    cheek = ((-0.93 * w, 0.05), (-0.86 * w, 0.32), (-0.56 * w, 0.5), (-0.2, lip - 0.07), (0, lip - 0.05))
    if kind == "stubble":
        return [(along_jaw(face.head, 1.0, *cheek), 56)]
    if kind == "full":
        return [(along_jaw(face.head, 1.1, *cheek), 255)]
    if kind == "chinstrap":
        strap = along_jaw(face.head, 1.04, (-0.92 * w, 0.05), (-0.8 * w, 0.5), (-0.3, 0.8), (0, 0.82))
        return [(strap, 255), (moustache(mouth, lip), 255)]
    if kind == "goatee":
        chin = symmetric((0, 0.8), (-0.16, 0.76), (-0.3, 0.7), (-0.3, 0.94), (0, 1.1))
        return [(chin, 255), (moustache(mouth, lip), 255)]
    return [(moustache(mouth, lip), 255)] if kind == "moustache" else []


def along_jaw(head: Head, grow: float, *edge: tuple[float, float]) -> np.ndarray:
    """The area from the lower half of the head's outline up to an edge, given by its left half."""
    jaw = head_outline(head, CIRCLE[24::-1]) * (1.01, grow)  # From left to right.
    return band(jaw, curve(*edge, *((-x, y) for x, y in edge[-2::-1])))


def moustache(mouth: Mouth, lip: float) -> np.ndarray:
    """A moustache above the upper lip, whose edge is at height `lip`."""
    reach = mouth.width + 0.1
    above, below = (-0.5 * reach, lip - 0.09), (-0.5 * reach, lip + 0.02)
    return symmetric((0, lip - 0.06), above, (-reach, mouth.y + 0.08), below, (0, lip + 0.02))


def draw_hat(pen: Pen, face: Face) -> None:
    """A hat over the hair."""
    hats = {"beanie": draw_beanie, "cap": draw_cap, "brim": draw_brim, "headband": draw_headband}
    if face.hair.hat in hats:
        hats[face.hair.hat](pen, face, face.hair.hat_colour)


def strip(face: Face, y: float, height: float, reach: float) -> np.ndarray:
    """A strip around the head at height y, lower in the middle."""
    x, bend = reach * face.head.width * ACROSS, 0.1 * (1 - ACROSS * ACROSS)
    return band(points(x, y - height + bend), points(x, y + bend))


def draw_beanie(pen: Pen, face: Face, colour: Colour) -> None:
    """A knitted hat with a folded edge."""
    pen.fill(cap(face, -0.6 + 0 * ACROSS, 0.24, -0.5), colour)
    pen.fill(strip(face, -0.46, 0.26, 1.06), mix(colour, WHITE, 0.25))
    for u in ACROSS[2:-1:3] * face.head.width:
        pen.fill(ribbon(curve((u, -0.64), (0.8 * u, -0.95), (0.4 * u, -1.16)), 0.03, 1), shaded(colour, 0.3), 120)
    pen.fill(ellipse(0, -1.26, 0.17, 0.15), mix(colour, WHITE, 0.5))


def draw_cap(pen: Pen, face: Face, colour: Colour) -> None:
    """A baseball cap."""
    pen.fill(cap(face, -0.5 + 0 * ACROSS, 0.16, -0.42), colour)
    pen.fill(ellipse(0.6 * face.pose.yaw, -0.98, 0.26, 0.15), mix(colour, WHITE, 0.55))
    pen.fill(ellipse(0.3 * face.pose.yaw, -0.42, 0.72, 0.16), shaded(colour, 0.3))
    pen.fill(ellipse(0.3 * face.pose.yaw, -0.38, 0.62, 0.08), shaded(colour, 0.6))


def draw_brim(pen: Pen, face: Face, colour: Colour) -> None:
    """A hat with a wide brim and a ribbon."""
    pen.fill(ellipse(0, -0.55, 1.3, 0.2), shaded(colour, 0.3))
    pen.fill(symmetric((0, -1.24), (-0.2, -1.27), (-0.4, -1.3), (-0.68, -1.05), (-0.7, -0.55)), colour)
    pen.fill(strip(face, -0.62, 0.18, 0.93), shaded(colour, 0.5))


def draw_headband(pen: Pen, face: Face, colour: Colour) -> None:
    """A band over the forehead."""
    pen.fill(strip(face, -0.62, 0.17, 0.9), colour)


# --- Glasses ---------------------------------------------------------------------------------------------------------


def draw_glasses(pen: Pen, face: Face) -> None:
    """Two lenses, a bridge and the temples."""
    glasses, eyes = face.glasses, face.eyes
    if glasses.kind == "none":
        return
    y, x = eyes.y + 0.02, max(eyes.spacing, glasses.size + 0.04)
    pen.fill(ribbon(curve((-0.09, y - 0.04), (0, y - 0.1), (0.09, y - 0.04)), 0.06), glasses.colour)
    for side in (-1, 1):
        temple = curve((side * (x + glasses.size - 0.02), y - 0.06), (side * face.head.width, y - 0.08))
        pen.fill(ribbon(temple, 0.055), glasses.colour)
        draw_lens(pen, glasses, side, (side * x, y))


def draw_lens(pen: Pen, glasses: Glasses, side: int, middle: tuple[float, float]) -> None:
    """The glass, a reflection, and the rim."""
    glass = lens_outline(glasses, side, CIRCLE) + middle
    if glasses.kind == "sun":
        pen.fill(glass, (40, 36, 52), 236)
    else:
        pen.fill(glass, (214, 236, 246), 26)
    glint = np.array([(-0.5, -0.55), (-0.15, -0.55), (-0.45, 0.4), (-0.8, 0.4)]) * glasses.size * (0.8, 0.75)
    pen.fill(glint + middle, WHITE, 56)
    if glasses.kind == "half":
        pen.fill(ribbon(lens_outline(glasses, side, CROWN) + middle, 0.06), glasses.colour)
    else:
        pen.fill(ribbon(glass, 0.055, closed=True), glasses.colour)


def lens_outline(glasses: Glasses, side: int, circle: np.ndarray) -> np.ndarray:
    """The edge of a lens around its middle, or the part of it that belongs to a part of the unit circle."""
    if glasses.kind == "round":
        return circle * glasses.size
    x, y = np.clip(1.3 * circle, -1, 1).T  # A square with rounded corners.
    if glasses.kind == "cat":
        y = y - 0.6 * np.maximum(0, side * x) * (y < 0)
    if glasses.kind == "sun":
        x, y = x * (1 - 0.12 * np.maximum(0, y)), 1.1 * y
    return points(glasses.size * x, 0.72 * glasses.size * y)


# --- The whole picture -----------------------------------------------------------------------------------------------


def draw_face(seed: int, index: int, size: int) -> np.ndarray:
    """Face number `index` of the dataset with this seed: uint8 [size, size, 3]; the same person at every size."""
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, index])))
    return render(sample_face(rng), size)


def render(face: Face, size: int) -> np.ndarray:
    """Draw a face: uint8 [size, size, 3]."""
    pen = Pen(face, size)
    draw_background(pen, face.scene)
    draw_back_hair(pen, face)
    draw_body(pen, face)
    draw_head(pen, face)
    draw_beard(pen, face)
    draw_nose(pen, face)
    draw_mouth(pen, face)
    draw_eyes(pen, face)
    draw_hair(pen, face)
    draw_brows(pen, face)
    draw_glasses(pen, face)
    draw_hat(pen, face)
    return expose(pen.finish(), face.head)


def expose(image: np.ndarray, head: Head) -> np.ndarray:
    """The picture uint8 [size, size, 3] under its light: brighter where that comes from, tinted by its colour."""
    size = len(image)
    place = 2 * np.arange(size) + 1 - size  # From -size to size.
    x, y = (int(0.04 * 256 * head.contrast * part) for part in head.light)
    fall = (place[None, :] * x + place[:, None] * y) // size
    gain = (fall[:, :, None] + np.array(head.exposure)).astype(np.int32)
    return np.minimum(image * gain >> 8, 255).astype(np.uint8)


def encode_png(image: np.ndarray) -> bytes:
    """Lossless PNG of an image uint8 [height, width, 3]; compressed for speed rather than for size."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


# --- Many pictures ---------------------------------------------------------------------------------------------------

WORTH_A_WORKER = 32  # Starting another process takes about as long as drawing this many faces.


def generate(seed: int, start: int, stop: int, size: int, workers: int | None = None) -> Iterator[bytes]:
    """The faces `start` .. `stop` - 1 as PNG, in order, each of shape [size, size, 3].

    Up to `workers` processes draw them (by default one for each available core; 1 draws in this process), each only as
    far ahead as fits in its pipe. They are stopped when the iterator is exhausted, closed or interrupted.
    """
    workers = min(workers or available_cores(), (stop - start) // WORTH_A_WORKER)
    if workers <= 1:
        yield from (encode_png(draw_face(seed, index, size)) for index in range(start, stop))
        return
    context = multiprocessing.get_context("spawn")
    processes, pipes = [], []
    try:
        for first in range(start, start + workers):
            pipe, far_end = context.Pipe(duplex=False)
            share = range(first, stop, workers)
            process = context.Process(target=draw_share, args=(far_end, seed, share, size), daemon=True)
            process.start()
            processes.append(process)
            pipes.append(pipe)
            far_end.close()
        for k in range(stop - start):
            yield receive(pipes[k % workers])
    finally:
        for process in processes:
            process.terminate()
        for process, pipe in zip(processes, pipes, strict=True):
            process.join()
            pipe.close()


def available_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def receive(pipe: multiprocessing.connection.Connection) -> bytes:
    """The next picture from a worker."""
    try:
        return pipe.recv_bytes()
    except EOFError as error:
        raise RuntimeError("A process that draws toyfaces ended before its work was done.") from error


def draw_share(pipe: multiprocessing.connection.Connection, seed: int, share: range, size: int) -> None:
    """Work of one process: send the faces `share` as PNG, until the reader is gone; Ctrl-C is left to the reader."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(BrokenPipeError):
        for index in share:
            pipe.send_bytes(encode_png(draw_face(seed, index, size)))
