"""What is wrong with an upload, as the reader of its files says it -> what the request is refused with."""

from export.predictor.raw_source import NoSuchPersonError
from rgbd.errors import (
    DamagedError,
    MediaError,
    MissingStreamError,
    NoSpaceError,
    TooLargeError,
    UnknownContainerError,
)
from serve import errors

_REFUSALS: dict[type[MediaError], type[errors.ServiceError]] = {
    MediaError: errors.UnusableClipError,
    DamagedError: errors.UnusableClipError,
    NoSuchPersonError: errors.UnusableClipError,
    MissingStreamError: errors.MissingStreamError,
    TooLargeError: errors.TooLargeError,
    NoSpaceError: errors.NoSpaceError,
    UnknownContainerError: errors.UnknownContainerError,
}

_BY_NAME = {kind.__name__: kind for kind in _REFUSALS}


def media_error(name: str, detail: str) -> MediaError:
    """Return the error of a kind that a decoder process names; raises `LookupError` where no request is refused so."""
    if name not in _BY_NAME:
        raise LookupError(f"a decoder reports {name}, for which there is no refusal: {detail}")
    return _BY_NAME[name](detail)


def refusal_of(error: MediaError) -> errors.ServiceError:
    """Return what a request with such an upload is refused with."""
    detail = f"{error}, as a file of that name in the form" if isinstance(error, MissingStreamError) else str(error)
    return _REFUSALS[type(error)](detail)
