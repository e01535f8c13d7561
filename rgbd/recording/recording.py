"""A recording: what a camera, or a data set, has of one motion."""

from dataclasses import dataclass, field

from rgbd.camera.registration import Registration
from rgbd.recording.depth import check_unit
from rgbd.recording.skeleton import Skeleton
from rgbd.recording.streams import StreamReader


@dataclass(frozen=True)
class Recording:
    """The streams of one recording, of which any may be missing, and what is known of them.

    depth_unit_mm: how many millimetres one unit of depth is. masked_depth: depth from which its makers have removed all
    but the people, in millimetres. skeleton: the bodies of each depth frame; empty where there is none. registration:
    how its camera's depth lies on its colour; None where that is not known. warnings: what is odd about it.

    Raises `ConfigError` for a unit that no camera has.
    """

    name: str
    rgb: StreamReader | None = None
    depth: StreamReader | None = None
    depth_unit_mm: float = 1.0
    masked_depth: StreamReader | None = None
    skeleton: Skeleton = field(default_factory=list)
    registration: Registration | None = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_unit(self.depth_unit_mm)
