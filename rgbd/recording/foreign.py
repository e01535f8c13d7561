"""Recordings in formats that only their makers' software reads: each is refused with what converts it."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple


class _Foreign(NamedTuple):
    """A format: whether a file with these first bytes is of it, how names of its files end, and what to do."""

    name: str
    recognises: Callable[[bytes], bool]
    suffixes: tuple[str, ...]
    remedy: str


_FOREIGN = (
    _Foreign(
        "an OpenNI recording",
        lambda head: head.startswith(b"NI10"),
        (".oni",),
        "play it with OpenNI2 and save its frames as 16-bit PNG, or extract them with pyoni",
    ),
    _Foreign(
        "a recording of Kinect Studio",
        lambda head: head.startswith(b"EVENTS1\0"),
        (".xef",),
        "extract its streams with KinectXEFTools (xefextract)",
    ),
    _Foreign(
        "a recording of a ZED camera",
        lambda head: head.startswith(b"\x89MCAP") and b"stereolabs" in head,  # .svo2: the name of the writing library
        (".svo", ".svo2"),
        "export it with ZED_SVO_Export of the ZED SDK, depth as 16-bit PNG",
    ),
    _Foreign(
        "an HDF5 file",
        lambda head: head.startswith(b"\x89HDF\r\n\x1a\n"),
        (".h5", ".hdf5"),
        "load colour and depth with h5py, and save each with numpy.save",
    ),
)


def foreign_content(head: bytes) -> str | None:
    """Return what a file with these first bytes is, and what converts it, in words; None where it is nothing of these.

    `head` has 64 bytes, or all that there are.
    """
    return next((_said(foreign) for foreign in _FOREIGN if foreign.recognises(head)), None)


def foreign_name(path: Path) -> str | None:
    """Return what a file is by its name, and what converts it, in words; None where it is nothing of these."""
    return next((_said(foreign) for foreign in _FOREIGN if path.suffix.lower() in foreign.suffixes), None)


def _said(foreign: _Foreign) -> str:
    return f"is {foreign.name}, which is not read here; {foreign.remedy}"
