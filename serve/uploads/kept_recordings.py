"""Recordings that are sent once, and named by the requests about them: kept for a while, within a number of bytes."""

import asyncio
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from starlette.datastructures import UploadFile

from export.predictor.clip_request import StreamFile
from rgbd.scratch import scratch_folder
from rgbd.types import Stream
from serve.errors import MalformedRequestError, TooManyUploadsError, UnknownRecordingError
from serve.uploads.saved_files import save_files

_NAME_BYTES = 24  # drawn at random: who does not know a name cannot guess it
_LEAST_BYTES = 1 << 20  # that a recording counts as: the smallest takes a folder and an open file, too


@dataclass(eq=False)
class _Recording:
    """Files that lie in a folder of their own until `folder` is closed."""

    owner: str | None
    files: tuple[StreamFile, ...]
    num_bytes: int
    folder: ExitStack
    timer: asyncio.TimerHandle
    num_users: int = 0


class KeptRecordings:
    """The recordings that are here, each for `lifetime_s` from its last use; the oldest make room for new ones.

    An owner is the name of a key, None where the service has none: what one has sent is not there for others.
    """

    def __init__(self, max_bytes: int, lifetime_s: float) -> None:
        self.lifetime_s = lifetime_s
        self._max_bytes = max_bytes
        self._recordings: dict[str, _Recording] = {}  # that which was not used for longest comes first
        self.num_bytes = 0  # of all whose files are still there

    async def keep(self, files: Mapping[Stream, UploadFile], owner: str | None) -> str:
        """Put a recording's files down and return its name; raises 429 when what is in use leaves no room."""
        num_bytes = max(_LEAST_BYTES, sum(file.size or 0 for file in files.values()))
        self._make_room(num_bytes)
        with ExitStack() as folder:
            self.num_bytes += num_bytes
            folder.callback(self._free, num_bytes)
            saved = await save_files(folder.enter_context(scratch_folder()), files)
            name = secrets.token_urlsafe(_NAME_BYTES)
            timer = self._expiry(name)
            self._recordings[name] = _Recording(owner, saved, num_bytes, folder.pop_all(), timer)
        return name

    @contextmanager
    def use(self, names: Sequence[str], owner: str | None) -> Iterator[tuple[StreamFile, ...]]:
        """Yield the files of recordings, which stay for the length of the block.

        Raises 404 for one that is not there, or is somebody else's, and 400 where two have the same stream.
        """
        with ExitStack() as held:
            recordings = [held.enter_context(self._held(name, owner)) for name in names]
            files = tuple(file for recording in recordings for file in recording.files)
            streams = [file.stream for file in files]
            for stream in streams:
                if streams.count(stream) > 1:
                    raise MalformedRequestError(
                        f"recording: two of them have {stream}; name those that belong together"
                    )
            yield files

    def drop(self, name: str, owner: str | None) -> None:
        """Forget a recording; its files go when no request uses them any more. Raises 404 as `use` does."""
        self._find(name, owner)
        self._forget(name)

    def close(self) -> None:
        """Remove all files."""
        for name in list(self._recordings):
            recording = self._recordings[name]
            self._forget(name)
            recording.folder.close()

    @contextmanager
    def _held(self, name: str, owner: str | None) -> Iterator[_Recording]:
        recording = self._find(name, owner)
        recording.timer.cancel()
        recording.num_users += 1
        try:
            yield recording
        finally:
            recording.num_users -= 1
            self._put_back(name, recording)

    def _put_back(self, name: str, recording: _Recording) -> None:
        if recording.num_users > 0:
            return
        if self._recordings.pop(name, None) is None:  # it was dropped meanwhile
            recording.folder.close()
            return
        recording.timer = self._expiry(name)
        self._recordings[name] = recording

    def _find(self, name: str, owner: str | None) -> _Recording:
        recording = self._recordings.get(name)
        if recording is None or recording.owner != owner:
            raise UnknownRecordingError("there is no such recording here, or not any more; send the files again")
        return recording

    def _forget(self, name: str) -> None:
        recording = self._recordings.pop(name)
        recording.timer.cancel()
        if recording.num_users == 0:
            recording.folder.close()

    def _expiry(self, name: str) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self.lifetime_s, self._forget, name)

    def _make_room(self, num_bytes: int) -> None:
        unused = [name for name, recording in self._recordings.items() if recording.num_users == 0]
        in_use = self.num_bytes - sum(self._recordings[name].num_bytes for name in unused)
        if in_use + num_bytes > self._max_bytes:
            raise TooManyUploadsError(f"the recordings in use have {in_use >> 20} MiB; come back in a moment")
        for name in unused:
            if self.num_bytes + num_bytes <= self._max_bytes:
                return
            self._forget(name)

    def _free(self, num_bytes: int) -> None:
        self.num_bytes -= num_bytes
