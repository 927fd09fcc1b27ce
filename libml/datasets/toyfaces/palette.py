"""The colours that faces, clothes and backgrounds are made of, and how to mix them. A colour is (R, G, B), 0 .. 255."""

Color = tuple[int, int, int]

WHITE = (255, 253, 248)
INK = (48, 34, 44)
GOLD = (240, 196, 84)
DUSK = (40, 44, 70)
WARM_SHADOW = (92, 30, 58)
WARM_LIGHT = (255, 240, 214)
BLUSH = (238, 92, 92)
PUPIL = (26, 20, 28)
THROAT = (104, 28, 44)
TONGUE = (222, 96, 104)
BLOOD = (176, 56, 66)  # What reddens unpainted lips.
GLASS = (214, 236, 246)
SUNGLASS = (40, 36, 52)

# What is listed twice is twice as likely.
SKINS = (
    (255, 226, 204), (252, 213, 184), (246, 200, 164), (236, 184, 142), (222, 165, 120),
    (200, 141, 98), (174, 116, 78), (146, 94, 62), (116, 74, 50), (92, 58, 42),
)  # fmt: skip
DARK_HAIR = (
    (38, 30, 36), (38, 30, 36), (62, 42, 38), (62, 42, 38), (96, 62, 44), (96, 62, 44), (132, 84, 54), (146, 70, 44),
)  # fmt: skip
LIGHT_HAIR = ((190, 92, 48), (206, 154, 88), (228, 188, 116), (240, 214, 156))
GREY_HAIR = ((150, 146, 148), (222, 218, 214))
DYED_HAIR = ((232, 120, 150), (88, 160, 172), (120, 104, 186), (206, 62, 72))
IRISES = (
    (78, 50, 36), (78, 50, 36), (108, 72, 44), (142, 104, 52), (84, 130, 92), (72, 128, 180), (98, 160, 196),
    (118, 130, 142),
)  # fmt: skip
EYE_SHADOWS = ((120, 84, 150), (84, 122, 160), (150, 72, 92))
LIPSTICKS = ((206, 84, 92), (190, 66, 84), (222, 60, 76), (168, 52, 84), (226, 110, 110), (150, 44, 60))
FRAMES = ((44, 40, 52), (44, 40, 52), (96, 58, 44), (196, 64, 70), (70, 98, 150), GOLD, (236, 232, 224))
FABRICS = (
    (232, 104, 88), (244, 178, 84), (250, 222, 140), (116, 178, 132), (68, 138, 140), (82, 124, 184), (58, 74, 120),
    (140, 104, 168), (236, 158, 170), (244, 238, 228), (96, 92, 104), (52, 48, 60), (158, 92, 72), (184, 206, 220),
)  # fmt: skip
BACKDROPS = (
    (178, 214, 228), (146, 190, 214), (196, 222, 196), (150, 196, 168), (250, 226, 180), (248, 204, 170),
    (244, 190, 184), (226, 196, 222), (190, 184, 224), (238, 234, 224), (206, 208, 212), (104, 140, 168),
    (88, 128, 124), (140, 100, 116), (84, 84, 112), (212, 138, 104), (240, 206, 110), (120, 124, 132),
)  # fmt: skip


def mix(first: Color, second: Color, amount: float) -> Color:
    """The colour `amount` (0 .. 1) of the way from `first` to `second`."""
    return tuple(int(a + (b - a) * amount + 0.5) for a, b in zip(first, second, strict=True))


def shaded(color: Color, amount: float) -> Color:
    """The colour in shadow, from 0 (none) to 1: darker and a little warmer."""
    return mix(color, WARM_SHADOW, amount)
