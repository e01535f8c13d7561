"""One decoder process, and what it may answer."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import BaseModel

from serve.uploads.decoder_processes import Decoders


class Number(BaseModel):
    number: int


@contextmanager
def one_decoder(cpu_s: int = 10) -> Iterator[Decoders]:
    """Keep one decoder ready, as the service's supervisor does, while the block of a coroutine runs."""
    decoders = Decoders(1, 2048, cpu_s)
    decoders.start()
    keeper = asyncio.create_task(decoders.keep_ready())
    yield decoders
    keeper.cancel()
    decoders.close()
