"""Faces by chance: what occurs, how often, and what goes with what.

The order in which numbers are drawn from the generator decides what every face looks like.
"""

import numpy as np

from libml.datasets.toyfaces.chance import around_zero, between, happens, pick
from libml.datasets.toyfaces.face import FULL_HATS, Brows, Eyes, Face, Glasses, Hair, Head, Mouth, Nose, Pose, Scene
from libml.datasets.toyfaces.palette import (
    BACKDROPS,
    BLOOD,
    DARK_HAIR,
    DUSK,
    DYED_HAIR,
    EYE_SHADOWS,
    FABRICS,
    FRAMES,
    GREY_HAIR,
    IRISES,
    LIGHT_HAIR,
    LIPSTICKS,
    SKINS,
    WHITE,
    Color,
    mix,
)
from libml.datasets.toyfaces.shapes import CIRCLE

MOODS = ("smile", "smile", "grin", "grin", "laugh", "neutral", "neutral", "smirk", "sad", "surprise")
EXPRESSIONS = {  # Width, bend, skew, opening and teeth of the mouth.
    "smile": (0.32, 0.13, 0.0, 0.0, False),
    "grin": (0.35, 0.14, 0.0, 0.13, True),
    "laugh": (0.34, 0.15, 0.0, 0.26, True),
    "neutral": (0.27, 0.0, 0.0, 0.0, False),
    "smirk": (0.29, 0.06, 0.06, 0.0, False),
    "sad": (0.26, -0.1, 0.0, 0.0, False),
    "surprise": (0.15, -0.03, 0.0, 0.17, False),
}


def sample_face(rng: np.random.Generator) -> Face:
    """A face with random attributes; uses only `rng.integers` and `rng.random`."""
    feminine = happens(rng, 0.5)  # Only makes some combinations of hair, beard and lips more likely than others.
    head = _head(rng, feminine)
    return Face(
        pose=_pose(rng),
        head=head,
        eyes=_eyes(rng, feminine),
        brows=_brows(rng, feminine),
        nose=_nose(rng),
        mouth=_mouth(rng, feminine, head.skin),
        hair=_hair(rng, feminine, head.skin),
        glasses=_glasses(rng),
        scene=_scene(rng),
    )


def _pose(rng: np.random.Generator) -> Pose:
    """A pose: near the middle, turned by up to about 25 degrees and tilted by up to about 9."""
    yaw = around_zero(rng, 0.3)
    scale = between(rng, 0.325, 0.36)
    return Pose(
        x=0.5 - 0.5 * yaw * scale + around_zero(rng, 0.015),
        y=0.52 + around_zero(rng, 0.015),
        scale=scale,
        tilt=around_zero(rng, 0.16),
        yaw=yaw,
        pitch=around_zero(rng, 0.1),
    )


def _head(rng: np.random.Generator, feminine: bool) -> Head:
    """The head, the skin and the light."""
    tone = between(rng, 0, len(SKINS) - 1.001)
    angle = CIRCLE[int(rng.integers(24, 49)) % 48]  # From anywhere above.
    gain, warmth = between(rng, 218, 268), around_zero(rng, 16)
    freckled = happens(rng, 0.12)
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


def _eyes(rng: np.random.Generator, feminine: bool) -> Eyes:
    """The eyes; closed sometimes, and sometimes only one."""
    wink = int(rng.integers(24))
    both = happens(rng, 0.08)
    return Eyes(
        spacing=between(rng, 0.3, 0.36),
        y=between(rng, -0.03, 0.05),
        width=between(rng, 0.155, 0.205),
        upper=between(rng, 0.075, 0.16),
        lower=between(rng, 0.05, 0.1),
        slant=between(rng, -0.02, 0.05),
        iris=pick(rng, IRISES),
        iris_size=between(rng, 0.088, 0.115),
        gaze=(around_zero(rng, 0.08), around_zero(rng, 0.03)),
        closed=(both or wink == 0, both or wink == 1),
        closed_bend=pick(rng, (-0.08, 0.07)),
        lashes=between(rng, 0.045, 0.075) if feminine else between(rng, 0.025, 0.045),
        shadow=pick(rng, (None, None, *EYE_SHADOWS) if feminine else (None,)),
    )


def _brows(rng: np.random.Generator, feminine: bool) -> Brows:
    """The brows."""
    return Brows(
        lift=between(rng, 0.0, 0.09),
        thickness=between(rng, 0.04, 0.075) if feminine else between(rng, 0.055, 0.115),
        arch=between(rng, 0.02, 0.1),
        slope=around_zero(rng, 0.1),
        skew=pick(rng, (0.0, 0.0, 0.0, 0.0, -0.07, 0.07)),
    )


def _nose(rng: np.random.Generator) -> Nose:
    """The nose."""
    kind = pick(rng, ("button", "ridge", "wide", "wedge"))
    return Nose(kind=kind, length=between(rng, 0.26, 0.4), width=between(rng, 0.1, 0.17))


def _mouth(rng: np.random.Generator, feminine: bool, skin: Color) -> Mouth:
    """The mouth: an expression with small variations."""
    width, bend, skew, opening, teeth = EXPRESSIONS[pick(rng, MOODS)]
    painted = feminine and happens(rng, 0.6)
    return Mouth(
        y=between(rng, 0.51, 0.57),
        width=width * between(rng, 0.88, 1.12),
        bend=bend + around_zero(rng, 0.04),
        skew=skew * pick(rng, (-1, 1)),
        opening=opening * between(rng, 0.75, 1.2),
        teeth=teeth,
        fullness=between(rng, 0.06, 0.1) if feminine else between(rng, 0.03, 0.07),
        lips=pick(rng, LIPSTICKS) if painted else mix(skin, BLOOD, between(rng, 0.32, 0.55)),
    )


def _hair(rng: np.random.Generator, feminine: bool, skin: Color) -> Hair:
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
    hat = pick(rng, ("none",) * 24 + (*FULL_HATS, "headband"))
    if hat in FULL_HATS:
        top, back = pick(rng, ("crop", "fringe", "parted")), "none" if back in ("bun", "afro") else back
    return Hair(
        color=_hair_color(rng, skin),
        top=top,
        back="none" if top in ("bald", "balding", "buzz", "spiky") else back,
        volume=between(rng, 0.07, 0.17),
        part=between(rng, -0.6, 0.6),
        line=between(rng, -0.64, -0.54),
        side=between(rng, -0.12, 0.14),
        hat=hat,
        hat_color=pick(rng, FABRICS),
        beard=pick(rng, beards),
    )


def _hair_color(rng: np.random.Generator, skin: Color) -> Color:
    """A colour of hair: dark or grey on dark skin, and now and then dyed."""
    if happens(rng, 0.07):
        return pick(rng, DYED_HAIR)
    return pick(rng, DARK_HAIR + GREY_HAIR if skin[0] < 165 else DARK_HAIR + LIGHT_HAIR + GREY_HAIR)


def _glasses(rng: np.random.Generator) -> Glasses:
    """Glasses on three faces in ten."""
    kinds = ("none",) * 17 + ("round", "round", "square", "square", "half", "cat", "sun")
    return Glasses(kind=pick(rng, kinds), color=pick(rng, FRAMES), size=between(rng, 0.25, 0.31))


def _scene(rng: np.random.Generator) -> Scene:
    """Clothes and background: one colour, or a gradient, with or without a pattern."""
    first, second = pick(rng, BACKDROPS), pick(rng, BACKDROPS)
    second = pick(rng, (first, mix(first, second, 0.5), second, mix(first, DUSK, 0.35)))
    half = mix(first, second, 0.5)
    patterns = ("none",) * 6 + ("stripes", "dots", "hills", "bokeh", "window", "rays")
    return Scene(
        clothes=pick(rng, ("crew", "vee", "shirt", "turtleneck", "hoodie", "striped")),
        fabric=pick(rng, FABRICS),
        trim=pick(rng, FABRICS),
        shoulders=between(rng, 1.12, 1.38),
        corners=pick(rng, ((first, first, second, second), (first, half, half, second), (half, first, second, half))),
        pattern=pick(rng, patterns),
        pattern_color=mix(pick(rng, BACKDROPS), WHITE, between(rng, 0, 0.7)),
        pattern_phase=rng.random(),
    )
