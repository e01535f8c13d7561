"""Valid requests -> hostile ones: files, their members, `meta` and the form itself, damaged in every way we know."""

import io
import json
import re
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import replace
from random import Random

from benchmarks.support.samples import Files
from benchmarks.support.wire import CONTENT_TYPE, FILENAME, Form, Request, encode

Mutate = Callable[[Random, bytes, bytes], bytes]
"""(chance, data, other data) -> the data, damaged."""

_PATHS = ("/predict", "/preview", "/predict?windows=3", "/explain")
_EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
_NUMBERS = (b"0", b"-1", b"NaN", b"1e999", b"1" * 400, b"1" * 5000, b"4294967295", b"9223372036854775808", b"-0.0")
_VALUES = ("null", "true", '""', '"\\ud800"', "[]", "{}", "[" * 3000, "1e-320", "-1", "1e400", "9" * 5000, "Infinity")
_NAMES = ("../../../etc/passwd", "a" * 3000, "\x00", '";x="', "café", "\ud800", "%s{}", "\\ud800+2AA-", "\r\nX: 1", "")
_CHARSETS = (b"utf-16", b"utf-7", b"idna", b"punycode", b"unicode_escape", b"undefined", b"hex", b"none", b"a" * 300)


def flip(chance: Random, data: bytes, _: bytes) -> bytes:
    """Change a few bytes."""
    changed = bytearray(data)
    for __ in range(chance.choice((1, 2, 8, 64))):
        changed[_position(chance, data)] ^= chance.randint(1, 255)
    return bytes(changed)


def truncate(chance: Random, data: bytes, _: bytes) -> bytes:
    """Leave the end away, or the beginning."""
    cut = _position(chance, data)
    return data[cut:] if chance.random() < 0.1 else data[:cut]


def splice(chance: Random, data: bytes, other: bytes) -> bytes:
    """Go on with another file in the middle."""
    return data[: _position(chance, data)] + other[_position(chance, other) :]


def repeat(chance: Random, data: bytes, _: bytes) -> bytes:
    """Say a part many times."""
    start = _position(chance, data)
    end = start + chance.choice((1, 16, 256, 4096))
    return data[:end] + data[start:end] * chance.choice((1, 2, 30)) + data[end:]


def exaggerate(chance: Random, data: bytes, _: bytes) -> bytes:
    """Write an extreme number over whatever is there."""
    size, order = chance.choice((1, 2, 4, 8)), chance.choice(("little", "big"))
    number = (chance.choice(_EXTREMES) % 256**size).to_bytes(size, order)
    start = _position(chance, data)
    return data[:start] + number + data[start + size :]


def renumber(chance: Random, data: bytes, _: bytes) -> bytes:
    """Write another number in place of one that is written in digits, as the headers of arrays are."""
    found = list(re.finditer(rb"\d+", data[:4096]))
    if not found:
        return data
    chosen = chance.choice(found)
    return data[: chosen.start()] + chance.choice(_NUMBERS) + data[chosen.end() :]


def _mended(data: bytes) -> bytes:
    """Return a PNG whose checksums are right again, so that decoders go on to what they guard; others as they are."""
    if not data.startswith(b"\x89PNG"):
        return data
    mended, position = bytearray(data), 8
    while position + 12 <= len(data):
        end = position + 8 + int.from_bytes(data[position : position + 4], "big")
        if end + 4 > len(data):
            break
        mended[end : end + 4] = zlib.crc32(data[position + 4 : end]).to_bytes(4, "big")
        position = end + 4
    return bytes(mended)


def inside(chance: Random, data: bytes, other: bytes) -> bytes:
    """Damage one member of an archive and pack it again, so that no checksum tells; of other files, a few bytes."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except zipfile.BadZipFile:
        return flip(chance, data, other)
    name = chance.choice(sorted(members))
    members[name] = _mended(chance.choice(_BYTES)(chance, members[name], other))
    if chance.random() < 0.1:
        strange = chance.choice(_NAMES).encode(errors="replace").decode()
        members[name[0] + strange + name[1:]] = members.pop(name)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return packed.getvalue()


_BYTES: tuple[Mutate, ...] = (flip, truncate, splice, repeat, exaggerate, renumber)


def mutated(chance: Random, valid: dict[str, Files]) -> Request:
    """Return a request that is damaged in one way, rarely in more; `valid` is what it is made of."""
    kind, files = chance.choice(sorted(valid.items()))
    _, others = chance.choice(sorted(valid.items()))
    other = chance.choice(sorted(others.values()))
    form = Form(tuple((stream, FILENAME, content) for stream, content in files.items()))
    mutation, change = chance.choices(list(_FORMS.items()), weights=[8, 4, 1, 1])[0]
    form = change(chance, form, kind, other)
    path = chance.choices(_PATHS, weights=[15, 3, 2, 1])[0]
    content_type, body = CONTENT_TYPE, encode(form)
    if chance.random() < 0.1:
        mutation, (content_type, body) = f"{mutation}, framing", _framing(chance, content_type, body)
    return Request(path, content_type, body, f"{kind}: {mutation}")


def _content(mutations: tuple[Mutate, ...]) -> Callable[[Random, Form, str, bytes], Form]:
    def change(chance: Random, form: Form, kind: str, other: bytes) -> Form:
        # The file of the kind that is meant: the other stream, if any, is the same in most requests.
        at = next((i for i, (name, *_) in enumerate(form.files) if kind.startswith(name)), 0)
        name, filename, content = form.files[at]
        damaged = (name, filename, chance.choice(mutations)(chance, content, other))
        return replace(form, files=(*form.files[:at], damaged, *form.files[at + 1 :]))

    return change


def _names(chance: Random, form: Form, _: str, __: bytes) -> Form:
    """Swap, double, drop or rename streams and files."""
    files = [*form.files, *chance.choices(form.files, k=chance.choice((0, 1, 30)))]
    names = [chance.choice(("rgb", "depth", "meta", "other", chance.choice(_NAMES))) for _ in files]
    return replace(
        form, files=tuple((name, chance.choice(_NAMES), file[2]) for name, file in zip(names, files, strict=True))
    )


def _meta(chance: Random, form: Form, _: str, other: bytes) -> Form:
    """Say something strange about the clip, or nothing that could be understood."""
    known = {"depth_scale_mm": "0.5", "fps": "10", "depth_fps": "20", "start_s": "0.1", "end_s": "0.9"}
    known[chance.choice((*known, "speed", "é"))] = chance.choice(_VALUES)
    text = ("{" + ", ".join(f"{json.dumps(name)}: {value}" for name, value in known.items()) + "}").encode()
    return replace(form, meta=chance.choice(_BYTES)(chance, text, other) if chance.random() < 0.5 else text)


_FORMS: dict[str, Callable[[Random, Form, str, bytes], Form]] = {
    "file": _content(_BYTES),
    "member": _content((inside,)),
    "names": _names,
    "meta": _meta,
}


def _framing(chance: Random, content_type: bytes, body: bytes) -> tuple[bytes, bytes]:
    """Damage what separates the parts, or what the head says of it."""
    if chance.random() < 0.5:
        return content_type, chance.choice(_BYTES)(chance, body[:200], body) + body[200:]
    if chance.random() < 0.5:
        return content_type + b"; charset=" + chance.choice(_CHARSETS), body
    return chance.choice((b"", b"text/plain", b"multipart/form-data", content_type[:-1], b"multipart/mixed")), body


def _position(chance: Random, data: bytes) -> int:
    """Return an index into the data, mostly one near its beginning or end: there lie headers and tables."""
    last = max(0, len(data) - 1)
    near = min(last, chance.choice((16, 128, 1024, last)))
    place = chance.randint(0, near)
    return last - place if chance.random() < 0.3 else place
