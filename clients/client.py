"""Client: sends a clip to the service, waits its turn when the service is busy, and returns the typed answer."""

import json
import re
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal, Self, Unpack

import httpx

from clients.answers import Prediction, Timeline, parse_prediction, parse_timeline
from clients.errors import BusyError, InputError, RefusedError, UnexpectedAnswerError, UnreachableError
from clients.options import RecordingOptions, TimelineFormat, TimelineOptions
from clients.uploads import open_upload

_BUSY = (429, 503)
_LONGEST_TIMEOUT_S = 1e6  # eleven days; systems take little more
_KEY = re.compile(r"[!-~]+")  # what a header's word may be
_PASSWORD = re.compile(r"//[^/]*@")
_LONGEST_WAIT_S = 30.0  # a service that asks for more is not coming back soon: better to say so


class Client:
    """A connection to one service; use it as a context manager, or call `close`.

    `api_key` is for services that ask for one. `timeout_s` bounds each silence of the service, `num_retries` how often
    a request is repeated when the service says that it is busy (429, 503), after the time its Retry-After header asks
    for. `url` is the address, without the password that it may hold. Raises `InputError` for what makes no sense.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        timeout_s: float = 60.0,
        num_retries: int = 3,
    ) -> None:
        self.url = _PASSWORD.sub("//***@", url)
        self._num_retries = num_retries
        headers = authorization(api_key)
        del api_key  # tracebacks may show what a function's variables hold
        check_authorization(headers)
        if not 0 < timeout_s <= _LONGEST_TIMEOUT_S:
            raise InputError(f"timeout_s {timeout_s:g}: give seconds, above 0 and at most {_LONGEST_TIMEOUT_S:.0f}")
        if num_retries < 0:
            raise InputError(f"num_retries {num_retries}: give 0 or more")
        try:
            self._http = httpx.Client(base_url=url, timeout=timeout_s, headers=headers)
        except (httpx.InvalidURL, UnicodeError):
            raise self._no_address() from None
        except (ValueError, ImportError, OSError) as error:
            raise InputError(
                "what the environment says of proxies or certificates cannot be used "
                f"({_PASSWORD.sub('//***@', str(error))}); correct HTTP_PROXY, HTTPS_PROXY, ALL_PROXY or SSL_CERT_FILE"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def predict(
        self,
        rgb: Path | None = None,
        depth: Path | None = None,
        *,
        model: str | None = None,
        version: str | None = None,
        top_k: int = 5,
        windows: int = 1,
        people: Literal["largest", "all", "each"] | None = None,
        accepted: float | None = None,
        depth_scale_mm: float | None = None,
        fps: float | None = None,
        depth_fps: float | None = None,
        start_s: float | None = None,
        end_s: float | None = None,
        rgb_track: str | None = None,
        depth_track: str | None = None,
        prepared: bool | None = None,
        camera: str | None = None,
        intrinsics: Mapping[str, float] | None = None,
    ) -> Prediction:
        """Return the service's answer for one clip.

        `rgb` and `depth` are each a file that the service reads, such as a video, or a folder of images; the model's
        modality says which are needed. A file with both streams, such as a camera's own, is given as `rgb`; where it
        has several of a kind, `rgb_track` and `depth_track` name those that are meant. `model` and `version` choose
        among several that are served. A long clip is looked at in `windows` equal parts; the answer is their mean, with
        each part's own. `people` says whom it is about where several are found, and `accepted` which share of clips of
        known motions is to be taken for known, from 0.5 to 0.99 (service: 0.95).

        `depth_scale_mm` is the millimetres of one unit of 16-bit depth (service: as the file says, or else 1). `fps`
        and `depth_fps` are for files that know no times. The motion is between `start_s` and `end_s`. `prepared` says
        whether the recording was prepared as the training clips were (service: as its frames look). `camera` names the
        depth camera; or `intrinsics` are its lens: fx, and where they are known fy, cx, cy, in pixels.
        Raises `InputError`, `UnreachableError`, `RefusedError` or `UnexpectedAnswerError`.
        """
        response = self._upload(
            "/predict",
            rgb,
            depth,
            model=model,
            version=version,
            top_k=top_k,
            windows=windows,
            people=people,
            accepted=accepted,
            depth_scale_mm=depth_scale_mm,
            fps=fps,
            depth_fps=depth_fps,
            start_s=start_s,
            end_s=end_s,
            rgb_track=rgb_track,
            depth_track=depth_track,
            prepared=prepared,
            camera=camera,
            intrinsics=intrinsics,
        )
        return parse_prediction(self._json_of(response))

    def timeline(
        self, rgb: Path | None = None, depth: Path | None = None, **asked: Unpack[TimelineOptions]
    ) -> Timeline:
        """Return what happens in a recording, and when: events, and what each of many overlapping windows shows.

        `rgb` and `depth` are as for `predict`, but their times must be known; raises as that does.
        """
        return parse_timeline(self._json_of(self._upload("/timeline", rgb, depth, **asked)))

    def timeline_text(
        self,
        format: TimelineFormat,
        rgb: Path | None = None,
        depth: Path | None = None,
        **asked: Unpack[TimelineOptions],
    ) -> str:
        """Return the same as a text for a file of this format."""
        return self._upload("/timeline", rgb, depth, format=format, **asked).text

    def check_ready(self) -> None:
        """Return when the service is ready to predict; raises like `predict` when it is not."""
        self._send("GET", "/v2/health/ready")

    def _no_address(self) -> InputError:
        return InputError(f"{self.url}: is not an address; give one like http://127.0.0.1:8000")

    def _upload(self, address: str, rgb: Path | None, depth: Path | None, **asked: Any) -> httpx.Response:
        """Return the answer about a recording; of what is asked, that about the recording goes into the form."""
        paths = {name: path for name, path in (("rgb", rgb), ("depth", depth)) if path is not None}
        if not paths:
            raise InputError("no stream was given; give rgb, depth, or both, as the model needs")
        said = {name: value for name, value in asked.items() if value is not None}
        meta = {name: value for name, value in said.items() if name in RecordingOptions.__annotations__}
        params = {name: value for name, value in said.items() if name not in meta}
        with ExitStack() as stack:
            files = {}
            for name, path in paths.items():
                file_name, file = open_upload(path)
                files[name] = (file_name, stack.enter_context(file))
            data = {"meta": json.dumps(meta, default=dict)}  # any mapping
            return self._send("POST", address, files=files, data=data, params=params)

    def _json_of(self, response: httpx.Response) -> Any:
        try:
            return response.json()
        except ValueError as error:
            raise UnexpectedAnswerError(f"{self.url}: answers, but not with JSON; check the address") from error

    def _send(self, method: str, path: str, **content: Any) -> httpx.Response:
        for attempt in range(self._num_retries + 1):
            try:
                response = self._http.request(method, path, **content)  # httpx rewinds the files for each attempt
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
            if response.status_code not in _BUSY or attempt == self._num_retries:
                break
            wait_s = _retry_after_s(response)
            if wait_s > _LONGEST_WAIT_S:
                break
            time.sleep(wait_s)
        if not response.is_success:
            raise _refusal(response)
        return response


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
