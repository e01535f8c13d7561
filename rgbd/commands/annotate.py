"""`python -m rgbd annotate IN TIMELINE.json --out OUT.mp4`: a recording with what happens in it drawn into it.

The time line is what `python -m export timeline` writes as .json. Below the picture, a bar shows when each motion is.
"""

import argparse
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, Self

import av
import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from rgbd.clip.depth_encoding import DepthEncoding, encode_depth
from rgbd.commands.contact_sheet import Picture
from rgbd.commands.inputs import add_input_options, input_files, open_inputs
from rgbd.errors import ConfigError, reason_of
from rgbd.files import atomic_file
from rgbd.overlap import check_apart, check_replaceable, with_links
from rgbd.recording.depth import in_millimetres, unit_of
from rgbd.recording.limits import Limits
from rgbd.recording.streams import StreamReader, frame_of
from rgbd.recording.timeline import Timeline
from rgbd.terminal import progress_bar, say
from rgbd.types import Box, Size

_MAX_BYTES = 100_000_000  # of a time line: an hour has ten
_BAND_SHARE, _LEAST_BAND_PX = 0.14, 44  # of the picture's height
_BACKGROUND, _TEXT, _CURSOR, _BOX = (28, 31, 36), (240, 240, 240), (255, 255, 255), (255, 196, 0)
# Told apart by who sees colours otherwise, too: Okabe and Ito, "Color Universal Design" (2008), without black.
_COLORS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167))
_TICK_S = Fraction(1, 1000)
_FONT = cv2.FontFace("uni")  # it has the letters of most languages

_Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Event(BaseModel):
    label: str
    start_s: _Seconds
    end_s: _Seconds
    score: Annotated[float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end_s < self.start_s:
            raise ValueError(f"{self.label!r} ends at {self.end_s:g} s, before it begins")
        return self


class _Found(BaseModel):
    """What of a time line is drawn."""

    model_config = ConfigDict(extra="ignore")

    events: tuple[_Event, ...]
    box_px: Box | None = None

    def at(self, time_s: float) -> _Event | None:
        """Return what happens at a time."""
        return next((event for event in self.events if event.start_s <= time_s <= event.end_s), None)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is read, and where it goes."""
    parser.usage = "%(prog)s (IN | --rgb FILE --depth FILE) TIMELINE.json\n       --out OUT.mp4 [options]"
    parser.add_argument("recording", type=Path, metavar="IN", help="the recording, of one stream or of both")
    timeline = parser.add_argument("timeline", type=Path, metavar="TIMELINE.json", help="what happens in it")
    timeline.required = False  # where IN is not there it has that place
    parser.add_argument("--out", type=Path, required=True, metavar="OUT.mp4", help="the video to write")
    add_input_options(parser)
    parser.add_argument("--fps", type=float, metavar="N", help="frames a second of what knows no times")


def run(options: argparse.Namespace) -> int:
    """Draw a time line into a recording; returns the exit code."""
    recording, timeline = (options.recording, options.timeline) if options.timeline else (None, options.recording)
    inputs = input_files(recording, options)
    if options.out.suffix.lower() != ".mp4":
        raise ConfigError(f"--out {options.out}: is no name of a video; let it end in .mp4")
    if options.fps is not None and not 0 < options.fps <= 1000:
        raise ConfigError(f"--fps {options.fps:g}: give frames a second, above 0 and up to 1000")
    check_apart([options.out], [*with_links(dict.fromkeys(inputs.values())), timeline])
    check_replaceable(options.out, ".mp4")
    found = _read(timeline)
    streams = open_inputs(recording, options, Limits(on_damage="skip")).choose()
    reader = streams["rgb"] if "rgb" in streams else streams["depth"]
    clock = reader.timeline(options.fps)
    if not clock.is_timed:
        raise ConfigError(f"{reader.name}: does not know when its frames were taken; give --fps")
    num_frames = _write(options.out, reader, clock.counted_from(clock.start), found)
    say(f"{options.out}: {num_frames} frames, {len(found.events)} events")
    return 0


def _read(path: Path) -> _Found:
    """Return a time line; raises `ConfigError`, naming what is wrong in it."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigError(f"{path}: is larger than {_MAX_BYTES / 1e6:.0f} MB, which no time line is")
        return _Found.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({reason_of(error)}); give what `export timeline` wrote") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        reason = f"{where}: {first['msg'].removeprefix('Value error, ')}"
        raise ConfigError(f"{path}: is no time line ({reason}); give what `export timeline` wrote") from error


def _write(out: Path, reader: StreamReader, clock: Timeline, found: _Found) -> int:
    """Write the video, frames at their times; returns how many there are."""
    pictures = _pictures(reader)
    first = next(pictures)
    drawing = _Drawing(found, first.shape[1::-1], clock.end)
    num_frames = 0
    with atomic_file(out) as temporary, av.open(str(temporary), "w", format="mp4") as container, progress_bar() as bar:
        track: Any = container.add_stream("libx264", rate=1 / _TICK_S)  # which every browser plays
        track.width, track.height = drawing.size
        track.pix_fmt = "yuv420p"
        track.time_base = track.codec_context.time_base = _TICK_S
        timed = zip(clock.clock.tolist(), chain([first], pictures), strict=False)
        for time_s, picture in bar.track(timed, total=len(clock.clock), description="frames"):
            frame = av.VideoFrame.from_ndarray(drawing.at(time_s, picture), format="rgb24")
            frame.pts, frame.time_base = round(time_s / _TICK_S), _TICK_S
            container.mux(track.encode(frame))
            num_frames += 1
        container.mux(track.encode())
    return num_frames


def _pictures(reader: StreamReader) -> Iterator[Picture]:
    """Yield the frames of a stream; depth in colours, near ones warm."""
    unit_mm = unit_of(reader, None)
    for picture in reader.read(None):
        frame = frame_of(picture)
        if frame.ndim == 2:
            (frame,) = encode_depth([in_millimetres(frame.astype(np.uint16, copy=False), unit_mm)], DepthEncoding())
        yield frame.astype(np.uint8, copy=False)


class _Drawing:
    """Pictures of one size, with a band below them that shows when each motion is."""

    def __init__(self, found: _Found, size: Size, duration_s: float) -> None:
        self._found, self._duration_s = found, duration_s
        self._picture_size = size[0] - size[0] % 2, size[1] - size[1] % 2  # video stores one colour for 2x2 pixels
        self._band_px = max(_LEAST_BAND_PX, round(_BAND_SHARE * size[1])) // 2 * 2
        labels = dict.fromkeys(event.label for event in found.events)
        self._colors = {label: _COLORS[number % len(_COLORS)] for number, label in enumerate(labels)}
        self._band = self._draw_band()

    @property
    def size(self) -> Size:
        """Width, height of what is drawn."""
        width, height = self._picture_size
        return width, height + self._band_px

    def at(self, time_s: float, picture: Picture) -> Picture:
        """Return a picture, uint8 RGB [H, W, 3], with what happens at that time."""
        width, height = self._picture_size
        whole = np.vstack([picture[:height, :width], self._band])
        event = self._found.at(time_s)
        if self._found.box_px is not None:
            x0, y0, x1, y1 = self._found.box_px
            color = _BOX if event is None else self._colors[event.label]
            cv2.rectangle(whole, (x0, y0), (x1 - 1, y1 - 1), color, max(1, height // 160))
        if event is not None:
            self._write_text(whole, f"{event.label}  {event.score:.0%}")
        x = self._place(time_s)
        cv2.line(whole, (x, height + self._bar_top), (x, height + self._band_px - 1), _CURSOR, max(1, width // 320))
        return whole

    @property
    def _bar_top(self) -> int:
        return round(0.6 * self._band_px)

    def _place(self, time_s: float) -> int:
        """Return the column that a time has in the bar."""
        return min(self._picture_size[0] - 1, int(self._picture_size[0] * time_s / max(self._duration_s, 1e-9)))

    def _draw_band(self) -> Picture:
        band = np.full((self._band_px, self._picture_size[0], 3), _BACKGROUND, np.uint8)
        for event in self._found.events:
            corner = self._place(event.end_s), self._band_px - 1
            cv2.rectangle(
                band, (self._place(event.start_s), self._bar_top), corner, self._colors[event.label], cv2.FILLED
            )
        return band

    def _write_text(self, whole: Picture, text: str) -> None:
        """Write into the band, as large as it fits."""
        width, height = self._picture_size
        size = max(8, round(0.42 * self._band_px))
        while size > 8 and cv2.getTextSize((width, height), text, (0, 0), _FONT, size)[2] > width:
            size -= 1
        cv2.putText(whole, text, (size // 2, height + round(0.44 * self._band_px)), _TEXT, _FONT, size)
