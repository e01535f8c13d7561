"""Reports as one HTML file that needs no other: the frame of the page, its bar charts, pictures inside it."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from rgbd.files import atomic_file
from rgbd.recording.stills.images import encode_image
from rgbd.terminal import say
from rgbd.types import Frame

_NUM_BINS = 24
_JPEG_QUALITY = 80


@dataclass(frozen=True)
class Bar:
    """One line of a bar chart; `share` is that of the longest, 0 to 1."""

    name: str
    count: int
    share: float


def bars(counts: Mapping[str, int], *, by_count: bool = True) -> list[Bar]:
    """Return a bar for each name, the longest first or, without `by_count`, in the given order."""
    largest = max(counts.values(), default=1)
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]) if by_count else (0, item[0]))
    return [Bar(name, count, count / largest) for name, count in order]


def histogram(values: Sequence[float]) -> list[Bar]:
    """Return the bins of a histogram, named by their limits."""
    if not values:
        return []
    counts, edges = np.histogram(values, bins=min(_NUM_BINS, max(1, len(set(values)))))
    largest = max(int(counts.max()), 1)
    return [
        Bar(f"{low:.3g} to {high:.3g}", int(count), int(count) / largest)
        for (low, high), count in zip(pairwise(edges), counts, strict=True)
    ]


def picture_address(image: Frame, suffix: str = ".jpg") -> str:
    """Return an image as a data: address; ".png" keeps every pixel."""
    kind = {".jpg": "jpeg", ".png": "png"}[suffix]
    return f"data:image/{kind};base64," + b64encode(encode_image(suffix, image, jpeg_quality=_JPEG_QUALITY)).decode()


def render_page(package: str, **values: Any) -> str:
    """Return the page that the `report.html` of a package makes of `values`, and of `made`, the time."""
    loaders = [jinja2.PackageLoader(name, ".") for name in (package, "rgbd")]
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders), autoescape=True, undefined=jinja2.StrictUndefined
    )
    made = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    return environment.get_template("report.html").render(made=made, **values)


def write_page(path: Path, page: str) -> None:
    """Write the page, and say where it is."""
    with atomic_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
    say(f"{path} ({len(page) / 1e6:.1f} MB); open it in a browser")
