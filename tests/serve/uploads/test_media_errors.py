"""Each thing that a reader finds wrong with a file is a refusal of its own, and none is taken for another."""

import asyncio
from collections.abc import Iterator

import pytest

from rgbd.errors import MediaError, NoSpaceError
from serve.uploads.ipc import DecoderReply
from serve.uploads.media_errors import media_error, refusal_of
from tests.support.decoders import Number, one_decoder


class ForgottenError(MediaError):
    """What a new reader might raise."""


def media_errors(kind: type[MediaError] = MediaError) -> Iterator[type[MediaError]]:
    yield kind
    for special in kind.__subclasses__():
        if special is not ForgottenError:
            yield from media_errors(special)


@pytest.mark.parametrize("kind", list(media_errors()))
def test_each_is_sent_and_refused(kind: type[MediaError]) -> None:
    sent = media_error(kind.__name__, "too dark")
    assert type(sent) is kind
    refusal = refusal_of(sent)
    assert refusal.detail.startswith("too dark")
    assert 400 <= refusal.status_code < 500 or kind is NoSpaceError


def fail(_: None) -> DecoderReply[Number]:
    raise ForgottenError("too dark")


def test_one_that_was_forgotten_is_a_defect_and_not_the_clients_mistake() -> None:
    async def ask() -> None:
        with one_decoder() as decoders:
            await decoders.run(fail, Number, None)

    with pytest.raises(LookupError, match="ForgottenError"):
        asyncio.run(ask())
    with pytest.raises(LookupError):
        refusal_of(ForgottenError("too dark"))
