"""What both clients say over HTTP and understand of it, all but sending: addresses, keys, forms, refusals, patience."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import IO, Any

import httpx

from clients.errors import BusyError, InputError, RefusedError, UnexpectedAnswerError, UnreachableError
from clients.options import RecordingOptions

READY = "/v2/health/ready"

_BUSY = (429, 503)
_LONGEST_TIMEOUT_S = 1e6  # eleven days; systems take little more
_KEY = re.compile(r"[!-~]+")  # what a header's word may be
_PASSWORD = re.compile(r"//[^/]*@")
_LONGEST_WAIT_S = 30.0  # a service that asks for more is not coming back soon: better to say so


class Service:
    """One service, as a client sees it: where it is, how long to wait for it, and what its answers mean.

    `url` is the address, without the password that it may hold; `connection` what a client of httpx is made with.
    Raises `InputError` for what makes no sense.
    """

    def __init__(self, url: str, headers: httpx.Headers | None, timeout_s: float, num_retries: int) -> None:
        check_authorization(headers)
        if not 0 < timeout_s <= _LONGEST_TIMEOUT_S:
            raise InputError(f"timeout_s {timeout_s:g}: give seconds, above 0 and at most {_LONGEST_TIMEOUT_S:.0f}")
        if num_retries < 0:
            raise InputError(f"num_retries {num_retries}: give 0 or more")
        self.url = _PASSWORD.sub("//***@", url)
        self._num_retries = num_retries
        self.connection: dict[str, Any] = {
            "base_url": url,
            "timeout": timeout_s,
            "headers": headers,
            "limits": httpx.Limits(max_connections=None),  # who asks says how much at once
        }

    @contextmanager
    def connecting(self) -> Iterator[None]:
        """Turn what httpx raises as a client of it is made into errors that say what to do."""
        try:
            httpx.URL(self.connection["base_url"]).host.encode("idna")  # or an event loop would look such names up
            yield
        except (httpx.InvalidURL, UnicodeError):
            raise self._no_address() from None
        except (ValueError, ImportError, OSError) as error:
            raise InputError(
                "what the environment says of proxies or certificates cannot be used "
                f"({_PASSWORD.sub('//***@', str(error))}); correct HTTP_PROXY, HTTPS_PROXY, ALL_PROXY or SSL_CERT_FILE"
            ) from error

    @contextmanager
    def named(self) -> Iterator[None]:
        """Turn what httpx raises as a request is sent into errors that say what to do."""
        try:
            yield
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError):
            raise self._no_address() from None
        except httpx.TimeoutException as error:
            raise UnreachableError(f"{self.url}: no answer in time; try a longer timeout") from error
        except httpx.TransportError as error:
            raise UnreachableError(f"{self.url}: cannot be reached ({error}); is the service running?") from error
        except httpx.RequestError as error:
            raise UnexpectedAnswerError(f"{self.url}: answers nonsense ({error}); check the address") from error
        except OSError as error:  # the connection's are httpx's
            raise InputError(
                f"a recording cannot be read to its end ({error.strerror}); check the file and its disk"
            ) from error

    def wait_s(self, response: httpx.Response, num_sent: int) -> float | None:
        """Return the seconds after which to send a request again that was sent so often; None where not to."""
        if response.status_code not in _BUSY or num_sent > self._num_retries:
            return None
        wait_s = _retry_after_s(response)
        return wait_s if wait_s <= _LONGEST_WAIT_S else None

    def json_of(self, response: httpx.Response) -> Any:
        """Return the body of an answer; raises `UnexpectedAnswerError` where that is no JSON."""
        try:
            return response.json()
        except ValueError as error:
            raise UnexpectedAnswerError(f"{self.url}: answers, but not with JSON; check the address") from error

    def _no_address(self) -> InputError:
        return InputError(f"{self.url}: is not an address; give one like http://127.0.0.1:8000")


@dataclass(frozen=True)
class Form:
    """What is asked about a recording: `params` in the address, and what is said of it, `data`, beside its files."""

    params: Mapping[str, Any]
    data: Mapping[str, str]

    def content(self, files: Mapping[str, tuple[str, IO[bytes]]]) -> dict[str, Any]:
        """Return it with the files of the streams, as httpx takes it."""
        return {"params": self.params, "data": self.data, "files": files}


def form_of(asked: Mapping[str, Any]) -> Form:
    """Return what is asked, and not None, as a form."""
    said = {name: value for name, value in asked.items() if value is not None}
    meta = {name: value for name, value in said.items() if name in RecordingOptions.__annotations__}
    params = {name: value for name, value in said.items() if name not in meta}
    return Form(params, {"meta": json.dumps(meta, default=dict)})  # any mapping


def check_answered(response: httpx.Response) -> None:
    """Raise `RefusedError`, or `BusyError`, where the answer is a refusal."""
    if not response.is_success:
        raise _refusal(response)


def authorization(api_key: str | None) -> httpx.Headers | None:
    """Return the headers with a key, which are printed without it; None for what is no key."""
    if api_key is None:
        return httpx.Headers()
    return httpx.Headers({"Authorization": f"Bearer {api_key}"}) if _KEY.fullmatch(api_key) else None


def check_authorization(headers: httpx.Headers | None) -> None:
    """Raise `InputError` where there are no headers, because a key is none; for who holds the key no more."""
    if headers is None:
        raise InputError("the key has characters that no key has, such as an accent or a line break; copy it again")


def _retry_after_s(response: httpx.Response) -> float:
    """Return the seconds that the Retry-After header asks for, given as a number or as a date; 1 without one."""
    text = response.headers.get("Retry-After", "")
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 1.0


def _refusal(response: httpx.Response) -> RefusedError:
    """Return the service's problem+json as an exception; a proxy's own error page has no detail worth showing."""
    problem: Any = {}
    if "json" in response.headers.get("Content-Type", ""):
        with suppress(ValueError):
            problem = response.json()
    problem = problem if isinstance(problem, dict) else {}
    kind = BusyError if response.status_code in _BUSY else RefusedError
    return kind(
        response.status_code,
        str(problem.get("error", "http_error")),
        str(problem.get("detail", f"{response.status_code} {response.reason_phrase}")),
        problem.get("request_id"),
    )
