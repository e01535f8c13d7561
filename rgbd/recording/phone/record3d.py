"""Record3D's .r3d: a zip of JPEG, of depth in metres that LZFSE has packed, and of what is known of the camera.

Source: the files' readers in github.com/marek-simonik/record3d, issue threads there, and in other public projects.
"""

import math
import zipfile
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, Field, ValidationError

from rgbd.camera.calibration import Intrinsics
from rgbd.errors import MediaError, TooLargeError
from rgbd.recording.archive import check_packing, is_bomb, members_below_top, opened_archive
from rgbd.recording.extras import import_extra
from rgbd.recording.limits import Limits
from rgbd.recording.metres import METRES_UNIT_MM, Metres
from rgbd.recording.phone.lens import share_lens
from rgbd.recording.stills.frames import FrameDecoderMaker, ZipReader
from rgbd.recording.stills.image_files import ImageFrames
from rgbd.types import Depth, Size

_METADATA, _FRAMES = "metadata", "rgbd"
_COLOR, _DEPTH = ".jpg", ".depth"
_MAX_METADATA_BYTES = 32 << 20  # some 300 bytes a frame
_MAX_FPS = 1000

_Side = Annotated[int, Field(gt=0, le=1 << 16)]
_Number = Annotated[float, Field(allow_inf_nan=False)]


class _Metadata(BaseModel):
    """What we use of it. Older files say nothing of depth's size, of times, or of each frame's lens."""

    w: _Side
    h: _Side
    dw: _Side | None = None
    dh: _Side | None = None
    K: list[_Number] = []
    fps: _Number | None = None
    frameTimestamps: list[_Number] = []  # noqa: N815  the file's name for it
    perFrameIntrinsicCoeffs: list[list[_Number]] = []  # noqa: N815

    @property
    def depth_size(self) -> Size | None:
        return (self.dw, self.dh) if self.dw and self.dh else None

    @property
    def lens(self) -> Intrinsics | None:
        """The lens of colour; of one that was focused anew for each frame, what is between."""
        found = []
        if every := [coefficients for coefficients in self.perFrameIntrinsicCoeffs if len(coefficients) == 4]:
            found.append(np.median(np.array(every), axis=0).tolist())
        if len(self.K) == 9:
            fx, _, _, _, fy, _, cx, cy, _ = self.K  # column by column
            found.append([fx, fy, cx, cy])
        lenses = (Intrinsics((self.w, self.h), *numbers) for numbers in found)
        return next((lens for lens in lenses if lens.can_be), None)


class _LzfseDepth:
    """Frames of float32 metres, of which the file says their size, or which have colour's shape; for `ZipReader`."""

    is_depth = True
    unit_mm: float | None = METRES_UNIT_MM

    def __init__(self, first: bytes, name: str, limits: Limits, metadata: _Metadata) -> None:
        self._limits, self._metres = limits, Metres()
        self.size = metadata.depth_size or self._size_of(first, name, (metadata.w, metadata.h))

    def frame(self, data: bytes, name: str) -> Depth:
        """Return what a file holds in millimetres; raises `MediaError` or `TooLargeError`, naming `name`."""
        width, height = self.size
        numbers = self._unpacked(data, name, self.size)
        if len(numbers) != 4 * width * height:
            raise MediaError(
                f"{name}: unpacks to {'more' if len(numbers) > 4 * width * height else 'less'} than the {width}x"
                f"{height} numbers that its frame has; copy it again"
            )
        return self._metres.millimetres(np.frombuffer(numbers, "<f4").reshape(height, width), name)

    @property
    def too_far(self) -> tuple[str, ...]:
        """What of the depth read so far lies too far to be taken, in words."""
        return self._metres.too_far

    def _size_of(self, data: bytes, name: str, largest: Size) -> Size:
        """Return the size of a frame that has the shape of `largest` and is no larger."""
        count, rest = divmod(len(self._unpacked(data, name, largest)), 4)
        width = round(math.sqrt(count * largest[0] / largest[1]))
        if rest or not width or count % width or width * largest[1] != count // width * largest[0]:
            raise MediaError(
                f"{name}: holds {count} numbers, which is no frame of the shape {largest[0]}x{largest[1]}, and the "
                "file does not say its size (dw, dh); copy it again, or export it anew"
            )
        return width, count // width

    def _unpacked(self, data: bytes, name: str, size: Size) -> bytes:
        """Return what is packed, up to one byte more than frames of this size have."""
        self._limits.check_pixels(*size)
        most = 4 * size[0] * size[1] + 1
        if is_bomb(most, len(data)):
            raise TooLargeError(f"{name}: says that it unpacks to {most >> 20} MiB, far more than a frame")
        try:
            return bytes(_library(name).lzfse_decode(data, out=most))
        except RuntimeError as error:
            raise MediaError(f"{name}: is damaged ({error}); copy it again") from error


def _library(name: str) -> Any:
    return import_extra("imagecodecs", "record3d", name=name, purpose="reading depth of Record3D")


def is_record3d(path: Path) -> bool:
    """Return whether a zip archive is a recording of Record3D."""
    with opened_archive(path) as archive:
        members = members_below_top(archive)
    return _METADATA in members and bool(_numbered(members, _COLOR) or _numbered(members, _DEPTH))


def open_record3d(path: Path, limits: Limits) -> list[ZipReader]:
    """Return colour and depth of an .r3d, as far as it has them; raises `MediaError` where it is damaged."""
    with opened_archive(path) as archive:
        members = members_below_top(archive)
        metadata = _metadata(archive, members[_METADATA], path)
        decoders: dict[str, FrameDecoderMaker] = {_COLOR: ImageFrames, _DEPTH: partial(_LzfseDepth, metadata=metadata)}
        streams = []
        for suffix, decoder in decoders.items():
            if not (numbered := _numbered(members, suffix)):
                continue
            limits.check_frames(len(numbered))
            for member in numbered.values():
                check_packing(member)
            reader = ZipReader(path, archive, list(numbered.values()), limits, decoder)
            _set_times(reader, sorted(numbered), metadata)
            streams.append(reader)
    share_lens(streams, metadata.lens, _FRAMES)
    return streams


def _metadata(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> _Metadata:
    check_packing(member)
    if member.file_size > _MAX_METADATA_BYTES:
        raise TooLargeError(f"{path}: its metadata have {member.file_size >> 20} MiB, far more than a recording's")
    try:
        return _Metadata.model_validate_json(archive.read(member))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise MediaError(f"{path}: its metadata are damaged ({place}: {first['msg']}); export it again") from error


def _numbered(members: dict[str, zipfile.ZipInfo], suffix: str) -> dict[int, zipfile.ZipInfo]:
    """Return {number: file} of the frames of one kind."""
    found = {}
    for name, member in members.items():
        place = PurePosixPath(name)
        if place.parent.name == _FRAMES and place.suffix.lower() == suffix and place.stem.isdecimal():
            found[int(place.stem)] = member
    return found


def _set_times(reader: ZipReader, numbers: list[int], metadata: _Metadata) -> None:
    """Say when the frames with these numbers were taken: by their stamps, else by the rate."""
    stamps = metadata.frameTimestamps
    if metadata.fps is not None and 0 < metadata.fps <= _MAX_FPS:
        reader.fps = metadata.fps
    if len(stamps) > numbers[-1] and all(np.diff(stamps) > 0):
        reader.times_s = tuple(stamps[number] - stamps[0] for number in numbers)
    elif stamps:
        reader.notes = (
            f"has times of {len(stamps)} frames, which do not fit its frames up to number {numbers[-1]}; its rate was "
            "used",
        )
