"""What single fields of bundle.json may hold: they name files, folders and parts of addresses, and stand in logs."""

import re
import reprlib
from collections.abc import Hashable, Iterable
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field, TypeAdapter, ValidationError

from rgbd.errors import UserError

MAX_BATCH = 1024
"""The most clips at a time that a graph is promised to take."""

_NAME = re.compile(r"\w[\w.-]{0,99}")
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # what ends a line, or moves a terminal's cursor
_MAX_SCORE = 3.4e38  # what float32 holds


def is_name(text: str) -> bool:
    """Return whether a text can be a part of an address, and name a folder."""
    return _NAME.fullmatch(text) is not None


def first_repeated(values: Iterable[Hashable]) -> Hashable | None:
    """Return the first that comes a second time; None where all are different."""
    seen = set()
    for value in values:
        if value in seen:
            return value
        seen.add(value)
    return None


def _name(text: str) -> str:
    if not is_name(text):
        raise ValueError(f"expected up to 100 letters, digits, '.', '_' and '-', got {reprlib.repr(text)}")
    return text


def _line(text: str) -> str:
    if not text.strip() or _NO_TEXT.search(text):
        raise ValueError(f"expected one line of text, got {reprlib.repr(text)}")
    return text


def _path(text: str) -> str:
    if "\0" in text:
        raise ValueError(f"{reprlib.repr(text)} is no path")
    return text


def _path_within(text: str) -> str:
    """Return the path of a file below the bundle's folder, written as `PurePosixPath` writes it."""
    path = PurePosixPath(_path(text))
    if path.is_absolute() or ".." in path.parts or not path.name:
        raise ValueError(f"{reprlib.repr(text)} lies outside the bundle")
    return str(path)


def _all_different(labels: tuple[str, ...]) -> tuple[str, ...]:
    if (twice := first_repeated(labels)) is not None:
        raise ValueError(f"{twice!r} is there twice")
    return labels


Name = Annotated[str, AfterValidator(_name)]

Line = Annotated[str, AfterValidator(_line)]
"""Text that is not empty, and stands in one line."""

Labels = Annotated[tuple[Line, ...], Field(min_length=1), AfterValidator(_all_different)]

AnyPath = Annotated[str, AfterValidator(_path)]
"""Of another file, perhaps on another machine."""

PathWithin = Annotated[str, AfterValidator(_path_within)]

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]

Share = Annotated[float, Field(ge=0, le=1)]

Difference = Annotated[float, Field(ge=0)]

Score = Annotated[float, Field(ge=-_MAX_SCORE, le=_MAX_SCORE)]


def check_labels(labels: tuple[str, ...]) -> None:
    """Raise `UserError` where classes have no names of their own that a bundle can hold."""
    try:
        TypeAdapter(Labels).validate_python(labels)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UserError(f"class names: {reason}; give each class a name of its own, and train again") from error
