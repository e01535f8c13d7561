"""The tree of things that can go wrong between a program and the service."""


class ClientError(Exception):
    """A request got no answer; the message says why and what to do, and `code` is a stable word for programs."""

    code: str = "failed"


class InputError(ClientError):
    """What was to be sent cannot be sent: a missing file, an empty folder, no stream at all."""

    code = "unusable_input"


class UnclearError(InputError):
    """Which files are one recording cannot be told."""

    code = "unclear"


class UnreachableError(ClientError):
    """Nothing answered at the address, or not in time."""

    code = "unreachable"


class UnexpectedAnswerError(ClientError):
    """Something answered that does not speak the service's language, as another program on the same port does."""

    code = "unexpected_answer"


class RefusedError(ClientError):
    """The service refused the request and said why.

    `status` is the HTTP status, `code` the service's stable name of the mistake ("missing_stream"), `detail` its
    sentence, `request_id` the name under which the service's log knows the request.
    """

    def __init__(self, status: int, code: str, detail: str, request_id: str | None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.request_id = request_id


class BusyError(RefusedError):
    """The service was still busy, loading or draining after all retries (429 or 503); later may work."""
