"""The attributes of a face, independent of the size of its picture.

Lengths and places are in face units, unless said otherwise: the origin is the middle of the head, which reaches from
y = -1 at the crown to y = 1 at the chin; x grows to the right, y downwards.
"""

import dataclasses

from libml.datasets.toyfaces.palette import Color

FALLING_HAIR = ("bob", "long", "wavy")  # Covers the ears.
FULL_HATS = ("beanie", "cap", "brim")  # Cover the crown and press on the hair; a headband does not.


@dataclasses.dataclass(frozen=True)
class Pose:
    """Where the head is (in frames, 0 .. 1), how large, and how it is held."""

    x: float
    y: float
    scale: float  # Half the height of the head, in frames.
    tilt: float  # The sine of the angle in the plane of the picture.
    yaw: float  # How far the middle of the face is shifted to the side.
    pitch: float  # The same, downwards.


@dataclasses.dataclass(frozen=True)
class Head:
    """Shape and skin of the head, and the light that falls on it."""

    skin: Color
    width: float
    jaw: float  # From -0.15 (pointed) to 0.25 (square).
    ear: float
    earring: str
    blush: int  # Opacity, 0 .. 255.
    freckles: tuple[tuple[float, float], ...]
    light: tuple[float, float]  # Where it comes from: a vector [x, y] in the plane of the picture.
    contrast: float  # From 0 (flat) to 1.
    exposure: tuple[int, int, int]  # The gain of each channel, in 256ths.


@dataclasses.dataclass(frozen=True)
class Eyes:
    """Both eyes: how far apart, how open, which way they look."""

    spacing: float  # From the middle of the face to that of an eye.
    y: float
    width: float
    upper: float  # From the line between the corners up to the upper lid.
    lower: float  # The same, down to the lower lid.
    slant: float  # Above 0 the outer corners are higher.
    iris: Color
    iris_size: float
    gaze: tuple[float, float]
    closed: tuple[bool, bool]  # Left and right.
    closed_bend: float  # Of the lid of a closed eye: above 0 down, as asleep; below 0 up, as smiling.
    lashes: float
    shadow: Color | None


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
    lips: Color


@dataclasses.dataclass(frozen=True)
class Hair:
    """Hair, hat and beard. `top` is what lies on the head, `back` what hangs or stands behind it."""

    color: Color
    top: str
    back: str
    volume: float  # How far it stands off the head.
    part: float  # Where it is parted, from -1 (left) to 1 (right).
    line: float  # Height of the edge on the forehead.
    side: float  # Height of the lower edge at the temples.
    hat: str
    hat_color: Color
    beard: str


@dataclasses.dataclass(frozen=True)
class Glasses:
    """Glasses; kind "none" for bare eyes."""

    kind: str
    color: Color
    size: float


@dataclasses.dataclass(frozen=True)
class Scene:
    """Clothes and background."""

    clothes: str
    fabric: Color
    trim: Color
    shoulders: float
    corners: tuple[Color, Color, Color, Color]  # Of the background: top left, top right, bottom left, bottom right.
    pattern: str
    pattern_color: Color
    pattern_phase: float  # From 0 to 1: shifts or turns the pattern.


@dataclasses.dataclass(frozen=True)
class Face:
    """All that a drawn face consists of."""

    pose: Pose
    head: Head
    eyes: Eyes
    brows: Brows
    nose: Nose
    mouth: Mouth
    hair: Hair
    glasses: Glasses
    scene: Scene
