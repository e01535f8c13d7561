"""Classes that a mirror turns into each other, such as swipes to the left and to the right."""

import re
from collections.abc import Sequence

_SIDES = {
    "left": "right",
    "leftward": "rightward",
    "leftwards": "rightwards",
    "clockwise": "counterclockwise",
    "cw": "ccw",
}
_OTHER = _SIDES | {other: side for side, other in _SIDES.items()}
_SPELLED = re.compile(r"\b(?:counter|anti)[ -]clockwise\b|\banticlockwise\b")


def mirrored_classes(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return pairs of classes whose names differ in a side or a turn alone."""
    plain = {_plain(name): name for name in names}
    pairs = []
    for name in names:
        words = _plain(name).split()
        mirrored = " ".join(_OTHER.get(word, word) for word in words)
        other = plain.get(mirrored)
        if other is not None and mirrored != " ".join(words) and (other, name) not in pairs:
            pairs.append((name, other))
    return pairs


def mirror_warning(names: Sequence[str]) -> str:
    """Return in words which classes mirrored clips would be taken for others of, "" for none."""
    pairs = mirrored_classes(names)
    if not pairs:
        return ""
    more = f" and {len(pairs) - 1} more pairs" if len(pairs) > 1 else ""
    return f"a mirrored clip of {pairs[0][0]!r} looks like one of {pairs[0][1]!r}{more}"


def _plain(name: str) -> str:
    words = _SPELLED.sub("counterclockwise", name.lower().replace("_", " "))
    return " ".join(re.findall(r"\w+", words))
