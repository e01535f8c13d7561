"""Who is recorded: ten people of different size, build, tempo and clothes."""

from dataclasses import dataclass
from typing import Literal

Color = tuple[int, int, int]
Pattern = Literal["plain", "stripes", "checks", "folds"]


@dataclass(frozen=True)
class Paint:
    """A colour, or two in a pattern."""

    color: Color
    second: Color
    pattern: Pattern


def plain(color: Color) -> Paint:
    """Return a paint of one colour."""
    return Paint(color, color, "plain")


@dataclass(frozen=True)
class Performer:
    """One person. `build` scales thicknesses, `tempo` how often a motion is repeated."""

    height_m: float
    build: float
    tempo: float
    skin: Color
    hair: Color
    shirt: Paint
    trousers: Color
    shoes: Color


_FAIR, _LIGHT, _TAN, _BROWN, _DARK = (232, 190, 165), (222, 172, 140), (196, 142, 105), (146, 98, 68), (98, 64, 46)

# Clothes keep clear of the colours that tell classes apart: full red, green, orange and blue.
_NAVY_STRIPES = Paint((226, 226, 220), (64, 74, 98), "stripes")
_GREY_CHECKS = Paint((108, 112, 120), (146, 150, 156), "checks")
_SAND_STRIPES = Paint((232, 220, 186), (98, 94, 116), "stripes")
_GREEN_CHECKS = Paint((112, 124, 116), (84, 94, 92), "checks")
_SLATE_STRIPES = Paint((68, 76, 84), (188, 186, 178), "stripes")
_LINEN_CHECKS = Paint((214, 204, 190), (128, 116, 110), "checks")
_MAUVE_STRIPES = Paint((140, 116, 128), (96, 84, 100), "stripes")

PERFORMERS = (
    Performer(1.78, 1.00, 1.0, _LIGHT, (58, 40, 28), _NAVY_STRIPES, (52, 60, 80), (40, 38, 40)),
    Performer(1.64, 0.90, 1.3, _FAIR, (120, 84, 44), plain((196, 158, 166)), (70, 70, 76), (228, 226, 222)),
    Performer(1.85, 1.08, 0.9, _BROWN, (24, 20, 20), _GREY_CHECKS, (176, 158, 128), (74, 52, 40)),
    Performer(1.70, 1.12, 1.1, _TAN, (34, 28, 26), plain((90, 78, 104)), (46, 46, 50), (120, 116, 112)),
    Performer(1.58, 0.94, 1.2, _DARK, (20, 18, 18), _SAND_STRIPES, (62, 72, 96), (206, 204, 200)),
    Performer(1.74, 0.96, 1.4, _FAIR, (176, 142, 88), _GREEN_CHECKS, (60, 56, 54), (52, 44, 40)),
    Performer(1.81, 1.15, 0.9, _LIGHT, (92, 90, 90), plain((200, 200, 204)), (84, 76, 68), (36, 36, 40)),
    Performer(1.67, 1.02, 1.0, _TAN, (46, 30, 22), _SLATE_STRIPES, (120, 112, 104), (230, 230, 228)),
    Performer(1.89, 0.98, 1.1, _DARK, (22, 20, 20), _LINEN_CHECKS, (44, 50, 66), (90, 66, 50)),
    Performer(1.61, 1.06, 1.3, _BROWN, (38, 26, 22), _MAUVE_STRIPES, (92, 94, 100), (60, 58, 62)),
)
