"""A process of its own for one stream at a time, in which untrusted media is decoded; then for the next."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rgbd.clip.spec import ClipSpec
from rgbd.errors import MediaError
from rgbd.types import Stream
from serve.errors import DecoderCrashedError
from serve.uploads.decoder_processes import DecoderProcess
from serve.uploads.ipc import DecoderReply, Facts

Argument = TypeVar("Argument")


class StreamProcess:
    """A process that keeps what it knows of its stream from one call to the next; it is started by the first one."""

    def __init__(self, memory_mb: int, cpu_s: int) -> None:
        self._process = DecoderProcess(memory_mb, cpu_s)
        self._is_started = self._is_at_work = self._is_killed = False

    @property
    def is_idle(self) -> bool:
        """Whether it can take another stream."""
        return self._is_started and not (self._is_at_work or self._is_killed or self._process.is_dead)

    def start(self) -> None:
        """Return when calls may come; raises `RuntimeError` or `OSError` where no process can be started."""
        if not self._is_started:
            self._process.start()
            self._process.make_ready()
            self._is_started = True
        if self._is_killed:  # meanwhile, from another thread
            self._process.kill()

    def call(
        self, function: Callable[[Argument], DecoderReply[Facts]], kind: type[Facts], argument: Argument
    ) -> DecoderReply[Facts]:
        """Return `function(argument)`; raises its `MediaError`, and `ServiceError` where the process dies."""
        self._is_at_work = True
        try:
            reply = self._process.call(function, kind, argument)
        except MediaError:  # that is an answer, too
            self._is_at_work = False
            raise
        self._is_at_work = False
        return reply

    def frames(
        self, streams: Sequence[Stream], arrays: Iterator[NDArray[np.uint8]], spec: ClipSpec
    ) -> dict[Stream, NDArray[np.uint8]]:
        """Return the next of the arrays that it sent as the frames of these streams, as many of each.

        Raises `DecoderCrashedError`, and ends the process, where they are no frames as the network takes them: it
        computes those of several streams together, and the others would fail with them.
        """
        found = dict(zip(streams, arrays, strict=False))
        shapes = {array.shape for array in found.values()}
        if len(found) < len(streams) or len(shapes) > 1 or any(shape[1:] != spec.shape[1:] for shape in shapes):
            self.kill()
            raise DecoderCrashedError("the decoder crashed on these frames, and sent no others; encode them again")
        return found

    def kill(self) -> None:
        """End the process, from any thread; what calls it gets a `ServiceError`."""
        self._is_killed = True
        if self._is_started:
            self._process.kill()
