"""A recording: what a camera, or a data set, has of one motion."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rgbd.camera.intrinsics import DepthCamera
from rgbd.camera.registration import Registration
from rgbd.recording.depth import check_unit, unit_of
from rgbd.recording.skeletons.skeleton import Skeleton
from rgbd.recording.streams import StreamReader
from rgbd.types import Stream


@dataclass(frozen=True)
class Recording:
    """The streams of one recording, of which any may be missing, and what is known of them.

    masked_depth: depth from which its makers have removed all but the people. depth_unit_mm: how many millimetres one
    unit of either is. skeleton: the bodies of each depth frame; empty where there is none. registration: how its
    camera's depth lies on its colour; None where that is not known. depth_camera: where depth's pixels look, in frames
    as they are stored; None where that is not known. fps: frames a second of streams that do not know their times,
    where that is known otherwise. warnings: what is odd about it.

    Raises `ConfigError` for a unit that no camera has.
    """

    name: str
    rgb: StreamReader | None = None
    depth: StreamReader | None = None
    depth_unit_mm: float = 1.0
    masked_depth: StreamReader | None = None
    skeleton: Skeleton = field(default_factory=list)
    registration: Registration | None = None
    depth_camera: DepthCamera | None = None
    fps: Mapping[Stream, float | None] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_unit(self.depth_unit_mm)

    @property
    def streams(self) -> tuple[Stream, ...]:
        """The streams that there are."""
        readers: dict[Stream, StreamReader | None] = {"rgb": self.rgb, "depth": self.depth or self.masked_depth}
        return tuple(stream for stream, reader in readers.items() if reader is not None)


def recording_of(
    name: str,
    streams: Mapping[Stream, StreamReader],
    *,
    depth_scale_mm: float | None = None,
    depth_camera: DepthCamera | None = None,
    fps: Mapping[Stream, float | None] | None = None,
) -> Recording:
    """Return the recording that these streams are, with what their files say of it.

    depth_scale_mm: the unit of depth where that is told otherwise; depth_camera: goes before that of the file. Raises
    `MediaError` as `unit_of`.
    """
    depth = streams.get("depth")
    unit_mm = (1.0 if depth_scale_mm is None else depth_scale_mm) if depth is None else unit_of(depth, depth_scale_mm)
    known = depth.camera.depth_camera(depth.size) if depth is not None else None
    return Recording(
        name,
        rgb=streams.get("rgb"),
        depth=depth,
        depth_unit_mm=unit_mm,
        depth_camera=depth_camera or known,
        fps=fps or {},
        warnings=tuple(dict.fromkeys(note for stream in streams.values() for note in stream.notes)),
    )
