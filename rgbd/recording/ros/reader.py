"""The images of a ROS file as streams: colour and depth, found by their types and encodings.

Frames come in the order of the times at which they were taken, which their headers tell. Where these do not, because
they are zero or come twice, all streams have the times at which they were recorded, and `notes` says so.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple, get_args

from rgbd.errors import MediaError, TooLargeError
from rgbd.recording.limits import Limits
from rgbd.recording.ros.bag import BAG_MAGIC, Bag
from rgbd.recording.ros.calibration import CameraFacts
from rgbd.recording.ros.container import BrokenError, Container, Message, Place
from rgbd.recording.ros.database import SQLITE_MAGIC, Database
from rgbd.recording.ros.mcap import MCAP_MAGIC, Mcap
from rgbd.recording.ros.messages import HEAD_BYTES, ImageHead, compressed_head, image_head
from rgbd.recording.ros.pictures import frame_of_compressed, frame_of_image, size_of, stream_of
from rgbd.recording.streams import MiscountedError, StreamReader
from rgbd.types import Frame, Size, Stream

_IMAGE, _COMPRESSED = "sensor_msgs/Image", "sensor_msgs/CompressedImage"
_MAX_IMAGE_BYTES = 256 << 20  # 8192x8192 of 32 bits
_MAX_TOPICS_SHOWN = 30

_FOLDER_MARK, _SUFFIXES = "metadata.yaml", (".mcap", ".db3")

Opener = Callable[[Path], Container]
_OPENERS: Mapping[bytes, Opener] = {BAG_MAGIC: Bag, MCAP_MAGIC: Mcap, SQLITE_MAGIC: Database}


class _Image(NamedTuple):
    """An image: when it was taken, when it was recorded, and where it lies."""

    stamp_ns: int
    recorded_ns: int
    place: Place


@dataclass
class _Topic:
    """What a file has of one topic; images: not more of them than are taken, and none of other types."""

    name: str
    type: str
    is_cdr: bool
    num_messages: int = 0
    images: list[_Image] = field(default_factory=list)
    num_images: int = 0
    num_broken: int = 0
    first: ImageHead | None = None
    stream: Stream | None = None
    size: Size = (0, 0)

    @property
    def is_compressed(self) -> bool:
        return self.type == _COMPRESSED

    def head(self, data: bytes) -> ImageHead:
        """Return what an image says of itself; raises `BrokenError` for one that is damaged."""
        return (compressed_head if self.is_compressed else image_head)(data, self.is_cdr)

    def __str__(self) -> str:
        kind = f"{self.type} {self.first.encoding}" if self.first else self.type
        return f"{self.name} ({kind}, {self.num_messages} messages)"


class RosReader(StreamReader):
    """The images of one topic."""

    def __init__(
        self,
        path: Path,
        opener: Opener,
        topic: _Topic,
        times_s: Mapping[_Image, float],
        facts: CameraFacts,
        damage: tuple[str, ...],
        notes: tuple[str, ...],
        limits: Limits,
    ) -> None:
        self._path, self._opener, self._topic, self._limits = path, opener, topic, limits
        self._images = sorted(topic.images, key=times_s.__getitem__)
        self.name, self.track, self.size, self.is_depth = str(path), topic.name, topic.size, topic.stream == "depth"
        self.num_frames, self.notes = len(self._images), notes
        self.times_s = tuple(times_s[image] for image in self._images)
        self._lacks, self._num_lost = damage, topic.num_broken
        if topic.first is not None:
            self.camera = facts.camera(topic.name, topic.first.frame)
            self.unit_mm = facts.unit_mm(topic.name, topic.first.encoding) if self.is_depth else None

    @property
    def damage(self) -> tuple[str, ...]:
        """What the file lacks, and how many images are damaged, as far as it is known."""
        lost = f"has {self._num_lost} images in {self._topic.name} that are damaged"
        return (*self._lacks, lost) if self._num_lost else self._lacks

    def read(self, indices: Sequence[int] | None = None) -> Iterator[Frame]:
        """Yield the frames at these places, or all of them."""
        self._limits.check_frames(self._topic.num_images)
        self._limits.check_pixels(*self.size)
        self._limits.check_damage(self.name, self.damage)
        num_promised = self.num_frames
        with self._opener(self._path) as container:
            for index in range(num_promised) if indices is None else indices:
                frame = self._frame_at(container, index)
                if frame is not None:
                    yield frame
        if self.num_frames < num_promised and indices is not None:
            raise MiscountedError

    def _frame_at(self, container: Container, index: int) -> Frame | None:
        """Return the frame at a place, or the next one where those that are damaged are left out; None at the end."""
        while index < self.num_frames:
            try:
                return self._frame(container.read(self._images[index].place), index)
            except TooLargeError:
                raise
            except MediaError:
                if self._limits.on_damage != "skip":
                    raise
                self._leave_out(index)
        return None

    def _leave_out(self, index: int) -> None:
        del self._images[index]
        self.num_frames, self._num_lost = len(self._images), self._num_lost + 1
        if self.times_s is not None:
            self.times_s = (*self.times_s[:index], *self.times_s[index + 1 :])

    def frame_name(self, index: int) -> str:
        """Return what messages call one frame."""
        return f"{self._path}, {self._topic.name}, frame {index + 1}"

    def _frame(self, message: bytes, index: int) -> Frame:
        name = self.frame_name(index)
        try:
            head = self._topic.head(message)
        except BrokenError as error:
            raise MediaError(f"{name}: is damaged ({error}); copy the file again") from error
        data = message[head.start : head.start + head.num_bytes]
        if len(data) < head.num_bytes:
            raise MediaError(f"{name}: has {len(data)} of its {head.num_bytes} bytes; copy the file again")
        decode = frame_of_compressed if self._topic.is_compressed else frame_of_image
        frame = decode(head, data, name, self._limits)
        if (frame.ndim == 2) != self.is_depth or frame.shape[1::-1] != self.size:
            raise MediaError(
                f"{name}: is {head.encoding} of {frame.shape[1]}x{frame.shape[0]}, the first is "
                f"{self._topic.first.encoding if self._topic.first else ''} of {self.size[0]}x{self.size[1]}; record "
                "each kind in a topic of its own"
            )
        return frame


def is_ros(head: bytes) -> bool:
    """Return whether a file with these first bytes is a bag of ROS 1, or one of ROS 2: MCAP, or a database."""
    return _opener(head) is not None


def bag_of_folder(folder: Path) -> Path | None:
    """Return the file of a folder in which ROS 2 has recorded; None where it is another kind of folder.

    Raises `MediaError` where it has none, or several.
    """
    if not (folder / _FOLDER_MARK).is_file():
        return None
    files = sorted(file for file in folder.iterdir() if file.suffix in _SUFFIXES)
    if len(files) != 1:
        found = ", ".join(file.name for file in files) or "no .mcap and no .db3 file"
        raise MediaError(f"{folder}: holds {found}; give one file, or join them with ros2 bag convert")
    return files[0]


def open_ros(path: Path, limits: Limits) -> list[RosReader]:
    """Return the topics of a ROS file that are colour or depth, as streams, colour first.

    Raises `MediaError` where it has none, and `TooLargeError`.
    """
    with path.open("rb") as file:
        opener = _opener(file.read(HEAD_BYTES))
    if opener is None:
        raise MediaError(f"{path}: is no bag of ROS; check the file")
    facts = CameraFacts()
    with opener(path) as container:
        topics = _index(container, facts, limits)
        damage = container.damage
    streams = [topic for kind in get_args(Stream) for topic in topics if topic.stream == kind and topic.images]
    if not streams:
        found = _listed(topics) or "no messages"
        broken = f"; it {damage[0]}" if damage else ""
        raise MediaError(f"{path}: has no images of colour or depth that are read here, but {found}{broken}")
    times_s, notes = _times(streams)
    return [RosReader(path, opener, topic, times_s, facts, damage, notes, limits) for topic in streams]


def _opener(head: bytes) -> Opener | None:
    return next((opener for magic, opener in _OPENERS.items() if head.startswith(magic)), None)


def _index(container: Container, facts: CameraFacts, limits: Limits) -> list[_Topic]:
    """Return the topics of a file, with where their images lie; of each image, no more than its head is read.

    What other messages say of cameras goes into `facts`.
    """
    topics: dict[tuple[str, str], _Topic] = {}
    for message in container.messages():
        topic = topics.setdefault(message[:2], _Topic(*message[:3]))
        topic.num_messages += 1
        if topic.type in (_IMAGE, _COMPRESSED):
            _add_image(topic, message, container, limits)
        else:
            facts.add(message, partial(container.read, message.place))
    return list(topics.values())


def _add_image(topic: _Topic, message: Message, container: Container, limits: Limits) -> None:
    if topic.num_images > limits.max_frames or (topic.num_images and topic.stream is None):
        topic.num_images += 1  # too many, which is said where they are read; or of no use
        return
    try:
        if message.place.num_bytes > _MAX_IMAGE_BYTES:
            raise BrokenError("an image is larger than any")
        data = container.read(message.place, HEAD_BYTES if topic.first or not topic.is_compressed else None)
        head = topic.head(data)
    except BrokenError:
        topic.num_broken += 1
        return
    if topic.first is None:
        picture = data[head.start :] if topic.is_compressed else None
        topic.first, topic.stream = head, stream_of(topic.name, head, picture)
        topic.size = size_of(head, picture, topic.name) if topic.stream else (0, 0)
    topic.num_images += 1
    topic.images.append(_Image(head.stamp_ns, message.time_ns, message.place))


def _listed(topics: list[_Topic]) -> str:
    shown = ", ".join(map(str, topics[:_MAX_TOPICS_SHOWN]))
    more = len(topics) - _MAX_TOPICS_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def _times(topics: list[_Topic]) -> tuple[dict[_Image, float], tuple[str, ...]]:
    """Return when each image of these topics was taken, in seconds from the first, and what is odd about it."""
    stamps_tell = all(
        min(stamps) > 0 and len(set(stamps)) == len(stamps)
        for stamps in ([image.stamp_ns for image in topic.images] for topic in topics)
    )
    times_ns = {
        image: image.stamp_ns if stamps_tell else image.recorded_ns for topic in topics for image in topic.images
    }
    start = min(times_ns.values())
    note = "its images have no stamps that tell when they were taken; the times of recording were used"
    return {image: (time - start) / 1e9 for image, time in times_ns.items()}, () if stamps_tell else (note,)
