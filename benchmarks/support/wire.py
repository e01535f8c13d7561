"""A form as the bytes of a request, for tests that damage either; and what its answer must be like."""

from dataclasses import dataclass

import httpx

from benchmarks.support.samples import Files

CONTENT_TYPE = b"multipart/form-data; boundary=limit"
FILENAME = "clip +2AA- \\ud800"  # in some encodings this stands for half a character, which no answer can carry
_LEGITIMATE = (503, 504, 507)  # too busy, too slow, too full: the service says so, and goes on


@dataclass(frozen=True)
class Form:
    """What a request says, before it becomes bytes."""

    files: tuple[tuple[str, str, bytes], ...]  # name of the field, of the file, and its content
    meta: bytes | None = None


@dataclass(frozen=True)
class Request:
    """A request as it goes over the wire, and what was done to it."""

    path: str
    content_type: bytes
    body: bytes
    mutation: str

    @property
    def headers(self) -> dict[bytes, bytes]:
        """What must be said beside the body."""
        return {b"Content-Type": self.content_type}

    def wire(self) -> bytes:
        """Return the bytes of the whole request."""
        head = f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(self.body)}\r\nContent-Type: "
        return head.encode() + self.content_type + b"\r\n\r\n" + self.body


def valid_request(files: Files, path: str = "/predict") -> Request:
    """Return a request with nothing wrong in it."""
    form = Form(tuple((stream, FILENAME, content) for stream, content in files.items()))
    return Request(path, CONTENT_TYPE, encode(form), "none")


def encode(form: Form) -> bytes:
    """Return the form as a body whose parts are separated by `limit`; what is no form stays none."""
    parts = [
        f'--limit\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n\r\n'.encode(
            errors="surrogatepass"
        )
        + content
        for name, filename, content in form.files
    ]
    if form.meta is not None:
        parts.append(b'--limit\r\nContent-Disposition: form-data; name="meta"\r\n\r\n' + form.meta)
    return b"".join(part + b"\r\n" for part in parts) + b"--limit--\r\n"


def fault_of(response: httpx.Response) -> str | None:
    """Return what is wrong with an answer to an upload, whatever the upload."""
    if response.is_server_error and response.status_code not in _LEGITIMATE:
        return f"{response.status_code}: {response.text}"
    if not response.is_success and response.headers.get("content-type") != "application/problem+json":
        return f"{response.status_code} without a problem: {response.text}"
    return None
