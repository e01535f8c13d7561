"""Files with one byte changed, or that end there: each is refused by its name, or still gives frames."""

from pathlib import Path

from rgbd.errors import MediaError
from rgbd.recording.formats import open_streams
from rgbd.recording.limits import Limits


def spoil(path: Path, place: int, value: int, *, cut: bool) -> None:
    """Write another value at a place of a file, or end the file there."""
    data = bytearray(path.read_bytes())
    place %= len(data)
    data[place] = value
    path.write_bytes(data[:place] if cut else data)


def check_refused_or_read(path: Path, *, is_cut: bool) -> None:
    """Check that a file is refused, with its name, or gives frames, which one that was cut must not."""
    try:
        frames = list(open_streams(path, Limits(any_container=False))[0].read())
    except MediaError as error:
        assert str(path) in str(error)
    else:
        assert len(frames) > 0 and not is_cut
