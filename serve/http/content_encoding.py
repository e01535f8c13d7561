"""Bodies that are packed on their way, as `Content-Encoding` says, are unpacked as they arrive, piece by piece."""

import asyncio
import zlib

from starlette.types import Message, Receive

from serve.errors import MalformedRequestError, UnknownEncodingError

_PLAIN = ("", "identity")
_WINDOWS = {"gzip": 31, "deflate": 15}  # what tells zlib which of the two it is
_PIECE_BYTES = 1 << 20


def unpacked(receive: Receive, encoding: str) -> Receive:
    """Return what receives a body as it was before it was packed; raises 415 and 400 when the body is received."""
    name = encoding.strip().lower()
    if name in _PLAIN:
        return receive
    return _Unpacking(receive, name).receive


class _Unpacking:
    def __init__(self, receive: Receive, encoding: str) -> None:
        self._receive, self._encoding = receive, encoding
        self._unpacker = zlib.decompressobj(_WINDOWS[encoding]) if encoding in _WINDOWS else None
        self._packed, self._is_coming, self._is_complete = b"", True, False

    async def receive(self) -> Message:
        """Return the next message: at most so many bytes, however far they unpack."""
        if self._is_complete:
            return await self._receive()
        if self._unpacker is None:
            detail = f"the body is packed with {self._encoding!r}; send it as it is, or packed with gzip or deflate"
            raise UnknownEncodingError(detail)
        while True:
            if self._is_coming and not self._packed:
                message = await self._receive()
                if message["type"] != "http.request":
                    return message
                self._packed, self._is_coming = message.get("body", b""), message.get("more_body", False)
            piece = await self._unpack(self._unpacker)
            is_all_in = not self._is_coming and not self._packed
            if is_all_in and self._unpacker.eof:
                self._is_complete = True
                return {"type": "http.request", "body": piece, "more_body": False}
            if is_all_in and not piece:
                raise self._damage("it breaks off")
            if piece:
                return {"type": "http.request", "body": piece, "more_body": True}

    async def _unpack(self, unpacker: "zlib._Decompress") -> bytes:
        if unpacker.eof and not self._packed:
            return b""
        try:
            # In a thread: a megabyte takes some milliseconds, and others wait meanwhile.
            piece = await asyncio.to_thread(unpacker.decompress, self._packed, _PIECE_BYTES)
        except zlib.error as error:
            raise self._damage(str(error)) from error
        if unpacker.unused_data or (unpacker.eof and unpacker.unconsumed_tail):
            raise self._damage("more follows behind its end")
        self._packed = unpacker.unconsumed_tail
        return piece

    def _damage(self, reason: str) -> MalformedRequestError:
        what = f"the body is not {self._encoding}, as Content-Encoding says, or not all of it"
        return MalformedRequestError(f"{what}: {reason}; send it again")
