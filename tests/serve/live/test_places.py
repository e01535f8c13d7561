"""As many streams have a place as the settings allow, and as the device can follow."""

import pytest

from serve.errors import TooManyStreamsError
from serve.live.places import Places


def places(max_streams: int = 8) -> Places:
    return Places(max_streams, memory_mb=1024, cpu_s=10)


def test_the_device_follows_no_more_than_it_can() -> None:
    room = places()
    with room.take(0.6):
        with pytest.raises(TooManyStreamsError, match="1 live streams are open, and the device can follow no more"):
            room.take(0.5).__enter__()
        with room.take(0.2), room.take(0.0):  # of what need not be followed, there may be more
            assert room.num_taken == 3
    assert room.num_taken == 0


def test_the_first_has_a_place_however_slow_the_device_is() -> None:
    with places().take(5.0) as process:
        assert not process.is_idle


def test_no_more_than_the_settings_allow() -> None:
    room = places(1)
    with room.take(0.0), pytest.raises(TooManyStreamsError, match="all 1 places"):
        room.take(0.0).__enter__()
