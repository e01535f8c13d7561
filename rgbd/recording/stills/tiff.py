"""TIFF images: depth in 16 bits, depth in metres as floating point, and colour in 8 bits; one a file, or pages of one.

OpenCV decodes them. What a file says of its pages is read here before: how large they are, where their bytes lie, and
how many there are. Source: Adobe's TIFF 6.0, and its BigTIFF, in which offsets have 64 bits.
"""

import io
import itertools
import re
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from rgbd.errors import MediaError, TooLargeError, reason_of
from rgbd.recording.archive import is_bomb
from rgbd.recording.limits import Limits
from rgbd.recording.metres import METRES_UNIT_MM, Metres
from rgbd.recording.stills.images import ImageHeader
from rgbd.recording.streams import StreamReader
from rgbd.types import Frame, Size

TIFF_MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_WIDTH, _HEIGHT, _BITS, _DESCRIPTION, _SAMPLES, _FORMAT = 256, 257, 258, 270, 277, 339
_STARTS, _LENGTHS = (273, 324), (279, 325)  # of strips, and of tiles
_TILE_SIDES = (322, 323)
# How pixels are stored: sizes, bits, compression, colours, order of bits, strips, planes, predictor, palette, tiles,
# alpha, format, and what JPEG needs.
_STORAGE = (
    256,
    257,
    258,
    259,
    262,
    266,
    273,
    277,
    278,
    279,
    284,
    317,
    320,
    322,
    323,
    324,
    325,
    338,
    339,
    347,
    530,
    531,
)
_CODES = {1: "B", 2: "B", 3: "H", 4: "I", 7: "B", 16: "Q"}  # of the types that these values have
_WHOLE, _FLOAT = 1, 3  # of a sample's format
_MAX_TAGS, _MAX_VALUES, _MAX_TILE = 4096, 1 << 20, 4096
_MAX_PAGES = 1 << 20
_ERRORS = (KeyError, ValueError, OverflowError, struct.error)  # of what a file says wrongly
_SAID_BYTES = 256  # of a description, at whose beginning ImageJ counts images


class _Page(NamedTuple):
    """What a file says of one page, where it says that, and where the last of its bytes lies."""

    place: int
    size: Size
    kind: tuple[int, int, int]
    num_stored: int
    end: int
    num_images: int

    def is_within(self, num_bytes: int) -> bool:
        """Return whether a file of so many bytes has all of it; what lies there several times is not."""
        return max(self.end, self.num_stored) <= num_bytes

    @property
    def is_metres(self) -> bool:
        return self.kind in ((1, 32, _FLOAT), (1, 64, _FLOAT))

    @property
    def is_depth(self) -> bool:
        return self.is_metres or self.kind == (1, 16, _WHOLE)

    @property
    def num_bytes(self) -> int:
        samples, bits, _ = self.kind
        return self.size[0] * self.size[1] * samples * bits // 8

    def check(self, name: str) -> None:
        """Raise where a page is of a kind that is not read, or says that it is far larger than it can be."""
        samples, bits, sample_format = self.kind
        if (
            not (self.is_depth or (bits == 8 and sample_format == _WHOLE and samples in (1, 3, 4)))
            or min(self.size) < 1
        ):
            numbers = {1: "unsigned", 2: "signed", 3: "floating-point"}.get(sample_format, "unknown")
            raise MediaError(
                f"{name}: holds {samples} {numbers} numbers of {bits} bits a pixel, {self.size[0]}x{self.size[1]}; "
                "expected one of 16 bits, unsigned, or one of 32 bits, floating-point, for depth, or 8 bits for colour"
            )
        if is_bomb(self.num_bytes, self.num_stored):
            raise TooLargeError(f"{name}: unpacks to {self.num_bytes >> 20} MiB, far more than a frame")


def is_tiff(data: bytes) -> bool:
    """Return whether a file begins as TIFF does."""
    return data.startswith(TIFF_MAGICS)


def tiff_header(data: bytes, name: str) -> ImageHeader:
    """Return what a TIFF of one page claims of itself; raises `MediaError` where it is none, or has several."""
    truncated = f"{name}: the image is truncated ({len(data)} bytes); copy or write it again"
    try:
        pages = list(itertools.islice(_pages(io.BytesIO(data), name), 2))
    except EOFError as error:
        raise MediaError(truncated) from error
    if len(pages) > 1 or pages[0].num_images > 1:
        raise MediaError(
            f"{name}: has several pages; give the file itself as the stream, or write a file for each frame"
        )
    (page,) = pages
    page.check(name)
    if not page.is_within(len(data)):
        raise MediaError(truncated)
    return ImageHeader(page.size, page.is_depth, page.is_metres)


def decode_tiff(data: bytes, name: str) -> Frame | NDArray[np.floating[Any]]:
    """Return a TIFF of one page: depth as it is stored, [H, W], colour as uint8 RGB [H, W, 3].

    Raises `MediaError` where it cannot be decoded.
    """
    image: Frame | NDArray[np.floating[Any]] = _decoded(data, tiff_header(data, name), name)
    return image


class TiffReader(StreamReader):
    """The pages of a TIFF, all of a kind, as frames."""

    def __init__(self, path: Path, pages: Sequence[_Page], limits: Limits, damage: tuple[str, ...]) -> None:
        self._path, self._pages, self._limits, self._damage = path, pages, limits, damage
        self._metres = Metres()
        self._header = ImageHeader(pages[0].size, pages[0].is_depth, pages[0].is_metres)
        self.name, self.num_frames = str(path), len(pages)
        self.size, self.is_depth, is_metres = self._header
        self.unit_mm = METRES_UNIT_MM if is_metres else None

    def read(self, indices: Sequence[int] | None = None) -> Iterator[Frame]:
        """Yield the frames at these places, or all of them."""
        self._limits.check_damage(self.name, self._damage)
        with self._opened() as directories:
            for index in range(self.num_frames) if indices is None else indices:
                name = self.frame_name(index)
                picture = _decoded(directories.single(self._pages[index].place), self._header, name)
                yield self._metres.millimetres(picture, name) if self._header.is_metres else picture

    @property
    def damage(self) -> tuple[str, ...]:
        """What the file lacks, and what of its depth was too far to be taken."""
        return (*self._damage, *self._metres.too_far)

    def frame_name(self, index: int) -> str:
        """Return what messages call one frame."""
        return f"{self._path}, page {index + 1}"

    @contextmanager
    def _opened(self) -> Iterator["_Directories"]:
        try:
            with self._path.open("rb") as file:
                yield _Directories(file)
        except (OSError, *_ERRORS, EOFError) as error:
            reason = reason_of(error) or "it breaks off"
            raise MediaError(f"{self._path}: cannot be read ({reason}); copy it again") from error


def open_tiff(path: Path, limits: Limits) -> list[TiffReader]:
    """Return the pages of a TIFF as one stream; raises `MediaError` where they differ in size or kind.

    Of a file that was cut, the pages before are the stream.
    """
    pages: list[_Page] = []
    damage: tuple[str, ...] = ()
    try:
        with path.open("rb") as file:
            num_bytes = path.stat().st_size
            for page in _pages(file, str(path)):
                page.check(f"{path}, page {len(pages) + 1}")
                limits.check_frames(len(pages) + 1)
                limits.check_pixels(*page.size)
                if not page.is_within(num_bytes):
                    raise EOFError
                pages.append(page)
    except OSError as error:
        raise MediaError(f"{path}: cannot be read ({reason_of(error)}); check the path") from error
    except EOFError as error:
        if not pages:
            raise MediaError(f"{path}: breaks off within its first page; copy it again") from error
        damage = (f"breaks off behind page {len(pages)}",)
    kinds = {(page.size, page.kind) for page in pages}
    num_images = pages[0].num_images if len(pages) == 1 and not damage else 1
    if len(kinds) > 1 or num_images > 1:
        reason = f"pages of {len(kinds)} kinds" if len(kinds) > 1 else f"{num_images} images in one page"
        raise MediaError(f"{path}: holds {reason}; write a page of one size and kind for each frame")
    return [TiffReader(path, pages, limits, damage)]


def _decoded(data: bytes, header: ImageHeader, name: str) -> Any:
    """Return the picture of a TIFF of one page, which has to be what `header` says."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise MediaError(f"{name}: the TIFF image cannot be decoded; copy or write it again")
    if not header.is_depth and image.ndim == 2:
        image = cv2.cvtColor(image, cv2.COLOR_GRAY2BGR)
    kind = "f" if header.is_metres else "u"
    shape = header.size[::-1] if header.is_depth else (*header.size[::-1], image.shape[-1])
    if image.shape != shape or image.dtype.kind != kind or (kind == "u" and image.itemsize != 1 + header.is_depth):
        raise MediaError(f"{name}: the TIFF image is not what its header says; write it again")
    return image if header.is_depth else cv2.cvtColor(image[:, :, :3], cv2.COLOR_BGR2RGB)


def _pages(file: BinaryIO, name: str) -> Iterator[_Page]:
    """Yield what a file says of its pages, at least one.

    Raises `MediaError` where it is no TIFF, and `EOFError` where it breaks off within what it says of a page.
    """
    try:
        directories = _Directories(file)
        yield directories.page()
        seen = {directories.place}
        while directories.go_on():
            if directories.place in seen or len(seen) == _MAX_PAGES:
                raise ValueError("its pages go round in a circle")
            seen.add(directories.place)
            yield directories.page()
    except _ERRORS as error:
        raise MediaError(f"{name}: not a readable TIFF image ({error}); convert it or copy it again") from error


class _Directories:
    """The directories of a TIFF, one for each page, each of which says where the next one lies."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._head = head = file.read(16)
        if not is_tiff(head) or len(head) < 16:
            raise ValueError("it does not begin as one")
        self._order = "<" if head.startswith(b"II") else ">"
        is_big = b"+" in head[:4]
        self._offset, self._count = ("Q", "Q") if is_big else ("I", "H")  # of a value, of tags
        self._offset_bytes, self._offset_kind = (8, 16) if is_big else (4, 4)
        self.place = self._number("Q", head[8:]) if is_big else self._number("I", head[4:8])
        self._next = 0

    def go_on(self) -> bool:
        """Go to the next page; return whether there is one."""
        self.place = self._next
        return self.place != 0

    def page(self) -> _Page:
        """Return what this directory says of its page."""
        tags = self._tags()
        bits, samples = set(self._values(tags, _BITS, 1)), self._values(tags, _SAMPLES, 1)[0]
        formats = set(self._values(tags, _FORMAT, _WHOLE))
        starts, lengths = self._strips(tags)
        sides = [self._values(tags, tag, 1)[0] for tag in _TILE_SIDES]
        if len(bits) > 1 or len(formats) > 1 or len(starts) != len(lengths) or max(sides) > _MAX_TILE:
            raise ValueError("its tags contradict each other")
        end = max(start + length for start, length in zip(starts, lengths, strict=True))
        size = self._values(tags, _WIDTH)[0], self._values(tags, _HEIGHT)[0]
        return _Page(self.place, size, (samples, bits.pop(), formats.pop()), sum(lengths), end, self._num_images(tags))

    def single(self, place: int) -> bytes:
        """Return the page whose directory lies at this place as a file of its own, which OpenCV finds at once.

        In the file itself, it would go through all pages before it.
        """
        self.place = place
        tags = {tag: values for tag, values in self._tags().items() if tag in _STORAGE}
        starts, lengths = self._strips(tags)
        entry = struct.Struct(f"{self._order}HH{self._offset}{self._offset_bytes}s")
        behind = len(self._head) + struct.calcsize(self._count) + len(tags) * entry.size + self._offset_bytes
        body = b"".join(map(self._read, starts, lengths))
        entries = []
        for tag in sorted(tags):
            kind, values = tags[tag][0], self._values(tags, tag)
            if tag in _STARTS:
                kind, values = self._offset_kind, tuple(itertools.accumulate(lengths[:-1], initial=behind))
            data = self._packed(_CODES[kind], *values)
            if len(data) > self._offset_bytes:
                body, data = body + data, self._packed(self._offset, behind + len(body))
            entries.append(entry.pack(tag, kind, len(values), data))
        directory = self._packed(self._count, len(tags)), *entries, self._packed(self._offset, 0)
        first = self._head[:8] if self._offset == "Q" else self._head[:4]
        head = (first + self._packed(self._offset, len(self._head))).ljust(len(self._head), b"\0")
        return b"".join((head, *directory, body))

    def _packed(self, code: str, *values: int) -> bytes:
        return struct.pack(f"{self._order}{len(values)}{code}", *values)

    def _tags(self) -> dict[int, tuple[int, int, bytes]]:
        """Return the type, the number of values, and the values or where they lie, of each tag."""
        num_bytes = struct.calcsize(self._count)
        count = self._number(self._count, self._read(self.place, num_bytes))
        if not 0 < count <= _MAX_TAGS:
            raise ValueError(f"a page with {count} tags")
        entry = struct.Struct(f"{self._order}HH{self._offset}{self._offset_bytes}s")
        data = self._read(self.place + num_bytes, count * entry.size + self._offset_bytes)
        self._next = self._number(self._offset, data[count * entry.size :])
        return {tag: values for tag, *values in entry.iter_unpack(data[: count * entry.size])}  # type: ignore[misc]

    def _values(self, tags: dict[int, tuple[int, int, bytes]], tag: int, default: int | None = None) -> tuple[int, ...]:
        """Return the values of a tag, which may lie elsewhere."""
        if tag not in tags and default is not None:
            return (default,)
        kind, count, data = tags[tag]
        if kind not in _CODES or not 0 < count <= _MAX_VALUES:
            raise ValueError(f"tag {tag} has {count} values of type {kind}")
        num_bytes = count * struct.calcsize(_CODES[kind])
        if num_bytes > len(data):
            data = self._read(self._number(self._offset, data), num_bytes)
        return struct.unpack(f"{self._order}{count}{_CODES[kind]}", data[:num_bytes])

    def _strips(self, tags: dict[int, tuple[int, int, bytes]]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return where the strips or tiles of a page begin, and how long they are."""
        starts, lengths = (
            self._values(tags, next(filter(tags.__contains__, pair), pair[0])) for pair in (_STARTS, _LENGTHS)
        )
        return starts, lengths

    def _num_images(self, tags: dict[int, tuple[int, int, bytes]]) -> int:
        """Return how many images ImageJ says that a file holds: of large ones it writes but one page."""
        if _DESCRIPTION not in tags:
            return 1
        kind, count, data = tags[_DESCRIPTION]
        text = bytes(self._values({_DESCRIPTION: (kind, min(count, _SAID_BYTES), data)}, _DESCRIPTION))
        said = re.match(rb"ImageJ=[^\n]*\nimages=(\d{1,9})\n", text)
        return int(said[1]) if said else 1

    def _read(self, place: int, num_bytes: int) -> bytes:
        self._file.seek(place)
        data = self._file.read(num_bytes)
        if len(data) < num_bytes:
            raise EOFError
        return data

    def _number(self, code: str, data: bytes) -> int:
        (number,) = struct.unpack(f"{self._order}{code}", data)
        return int(number)
