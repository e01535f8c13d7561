"""A load as a picture: how many answers took how long, and how long each request took over time."""

import io
import math
from collections.abc import Callable, Iterator, Sequence

from PIL import Image, ImageDraw, ImageFont

from clients.load.report import Report, bins_of
from clients.load.requests import ANSWERED, Request

_SIZE = (1000, 760)  # pixels
_LEFT, _RIGHT = 90, 970
_HISTOGRAM, _TIME_LINE = (80, 320), (430, 690)  # top and bottom
_DOT = 3
_INK, _FAINT, _BLUE, _ORANGE, _RED = "#222222", "#dddddd", "#2a78b5", "#e08a1e", "#c0392b"
_FONT = ImageFont.load_default(15)

Scale = Callable[[float], float]


def png_of(report: Report, requests: Sequence[Request], title: str) -> bytes:
    """Return the picture as a PNG."""
    picture = Image.new("RGB", _SIZE, "white")
    draw = ImageDraw.Draw(picture)
    draw.text((_LEFT, 14), title, _INK, ImageFont.load_default(20))
    words = f"{report.throughput:.2f} answers/s: {report.num_answered} answered"
    draw.text((_LEFT, 44), f"{words}, {report.num_refused} refused, {report.num_failed} failed", _INK, _FONT)
    _draw_histogram(draw, [one.latency_s for one in requests if one.outcome == ANSWERED])
    _draw_time_line(draw, requests)
    packed = io.BytesIO()
    picture.save(packed, "PNG")
    return packed.getvalue()


def _draw_histogram(draw: ImageDraw.ImageDraw, latencies_s: Sequence[float]) -> None:
    top, bottom = _HISTOGRAM
    found = list(bins_of(latencies_s))
    most = max((number for _, _, number in found), default=1)
    height = _scale(most, bottom, top + 10)
    _draw_grid(draw, height, most, "answers")
    width = (_RIGHT - _LEFT) / max(1, len(found))
    for index, (low, high, number) in enumerate(found):
        left = _LEFT + index * width
        if number:
            draw.rectangle((left + 1, height(number), left + width - 1, bottom), _BLUE)
        draw.text((left, bottom + 6), _ms(low), _INK, _FONT, anchor="ma")
        if index == len(found) - 1:
            draw.text((left + width, bottom + 6), _ms(high), _INK, _FONT, anchor="ma")
    draw.line((_LEFT, bottom, _RIGHT, bottom), _INK)
    draw.text(((_LEFT + _RIGHT) / 2, bottom + 28), "latency of answers, ms", _INK, _FONT, anchor="ma")


def _draw_time_line(draw: ImageDraw.ImageDraw, requests: Sequence[Request]) -> None:
    top, bottom = _TIME_LINE
    longest_s = max((one.start_s for one in requests), default=0.0) or 1.0
    slowest_ms = max((1000 * one.latency_s for one in requests), default=1.0)
    across, height = _scale(longest_s, _LEFT, _RIGHT - 10), _scale(slowest_ms, bottom, top + 10)
    _draw_grid(draw, height, slowest_ms, "ms")
    for value in _ticks(longest_s):
        draw.line((across(value), bottom, across(value), bottom + 4), _INK)
        draw.text((across(value), bottom + 6), f"{value:g}", _INK, _FONT, anchor="ma")
    for one in requests:
        x, y = across(one.start_s), height(1000 * one.latency_s)
        color = _BLUE if one.outcome == ANSWERED else _ORANGE if one.is_refused else _RED
        draw.ellipse((x - _DOT, y - _DOT, x + _DOT, y + _DOT), color)
    draw.line((_LEFT, bottom, _RIGHT, bottom), _INK)
    draw.text(((_LEFT + _RIGHT) / 2, bottom + 28), "when requests were due, s", _INK, _FONT, anchor="ma")
    x = _LEFT
    for color, words in ((_BLUE, "answered"), (_ORANGE, "refused"), (_RED, "failed")):
        draw.ellipse((x, top - 28, x + 10, top - 18), color)
        draw.text((x + 16, top - 32), words, _INK, _FONT)
        x += 110


def _draw_grid(draw: ImageDraw.ImageDraw, height: Scale, most: float, unit: str) -> None:
    for value in _ticks(most):
        y = height(value)
        draw.line((_LEFT, y, _RIGHT, y), _FAINT)
        draw.text((_LEFT - 8, y), f"{value:g}", _INK, _FONT, anchor="rm")
    draw.text((8, height(most) - 14), unit, _INK, _FONT)


def _scale(most: float, at_none: float, at_most: float) -> Scale:
    """Return what gives the pixel of a value from 0 to the most."""
    return lambda value: at_none + (at_most - at_none) * value / most


def _ticks(most: float) -> Iterator[float]:
    """Yield about five round numbers from 0 up to the most."""
    step = 10 ** math.floor(math.log10(most / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if factor * step * 6 > most)
    for index in range(int(most / step) + 1):
        yield index * step


def _ms(seconds: float) -> str:
    ms = 1000 * seconds
    return f"{ms:.3g}" if ms < 1000 else f"{ms:.0f}"
