"""What a request is refused with: a class for each error that a client may see.

ServiceError
|-- BadRequestError                  400
|   |-- MissingStreamError
|   |-- MalformedMetaError
|   |-- MalformedTimeoutError
|   |-- MalformedRequestError
|   |-- MalformedTensorsError
|   |-- WhichModelError
|   |-- UnknownClassError
|   `-- UnusableBundleError
|-- UnknownKeyError                  401
|-- ForbiddenError                   403
|   |-- ForeignHostError
|   |-- ForeignOriginError
|   `-- NotAdminError
|-- UnknownModelError                404
|-- UnknownRecordingError            404
|-- NotFoundError                    404
|-- MethodNotAllowedError            405
|-- RequestTimeoutError              408
|   |-- UploadTimeoutError
|   |-- IdleError
|   |-- SlowReaderError
|   `-- GoneError
|-- TooLargeError                    413
|-- UnknownContainerError            415
|-- UnknownEncodingError             415
|-- UnprocessableError               422
|   |-- UnusableClipError
|   `-- DecoderCrashedError
|-- InternalError                    500
|-- TemporaryError                   with Retry-After
|   |-- TooManyRequestsError         429
|   |   |-- QueueFullError
|   |   |-- TooManyStreamsError
|   |   |-- TooManyUploadsError
|   |   `-- RateLimitError
|   `-- UnavailableError             503
|       |-- DrainingError
|       |-- WorkerFailedError
|       |-- NoModelError
|       |-- LoadingError
|       |-- OverloadedError
|       `-- DecoderKilledError
|-- DeadlineError                    504
`-- NoSpaceError                     507

The OpenAPI document and the page take what they say from these classes; a test holds the table of docs/serving.md to
their docstrings.
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import ClassVar, Literal

from starlette.exceptions import HTTPException

Operation = Literal[
    "clip", "explain", "infer", "upload", "drop", "model", "load", "admin", "service", "live", "timeline"
]
"""The kinds of operations, of which each may end with errors of its own."""

CLIP: frozenset[Operation] = frozenset({"clip", "explain", "timeline"})  # a recording is looked at
FILES: frozenset[Operation] = CLIP | {"upload"}  # its files may be sent
NETWORK: frozenset[Operation] = CLIP | {"infer"}  # the network computes
BODY: frozenset[Operation] = NETWORK | {"upload", "load"}  # there is a body
ALL: frozenset[Operation] = BODY | {"drop", "model", "admin", "service"}


class ServiceError(HTTPException):
    """A request that is refused: with `detail` for people, and what its class says.

    `word` is stable, for programs; `title` says it in short for people; `example` is a detail for the reference.
    `operations` are those that may end with it.
    """

    status: ClassVar[HTTPStatus]
    word: ClassVar[str]
    title: ClassVar[str] = "The service failed"
    example: ClassVar[str]
    operations: ClassVar[frozenset[Operation]] = frozenset()

    def __init__(self, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(self.status, detail, headers)


class BadRequestError(ServiceError):
    """What is asked cannot be asked."""

    status = HTTPStatus.BAD_REQUEST
    title = "The request is incomplete"


class MissingStreamError(BadRequestError):
    """The form lacks a stream that the model needs."""

    word = "missing_stream"
    example = "this model needs rgb and depth; give depth, too, as a file of that name in the form"
    operations = FILES


class MalformedMetaError(BadRequestError):
    """`meta` is no JSON, or a value in it is not what it should be."""

    word = "malformed_meta"
    example = "meta: fps: Input should be a valid number"
    operations = CLIP


class MalformedTimeoutError(BadRequestError):
    """`X-Request-Timeout` is no number of seconds."""

    word = "malformed_timeout"
    example = "X-Request-Timeout: 'soon' is no number of seconds above 0"
    operations = NETWORK


class MalformedRequestError(BadRequestError):
    """The body is no form or no JSON, a part or parameter is not known here, or a value is not what it should be."""

    word = "malformed_request"
    example = "'topk': no parameter of this address is called so; did you mean ?top_k=?"
    operations = ALL


class MalformedTensorsError(BadRequestError):
    """Tensors do not follow the protocol, or do not fit the model."""

    word = "malformed_tensors"
    example = "rgb: is UINT8 [1, 64, 224, 224], the model takes UINT8 [-1, 64, 224, 224, 3]"
    operations = frozenset({"infer"})


class WhichModelError(BadRequestError):
    """Several models are served, and none was named."""

    word = "which_model"
    example = "say which model is asked, with ?model=; there are: gestures, ntu60"
    operations = CLIP


class UnknownClassError(BadRequestError):
    """The model has no class of this index."""

    word = "unknown_class"
    example = "index 60: the model has the classes 0 to 59"
    operations = frozenset({"explain"})


class UnusableBundleError(BadRequestError):
    """A bundle cannot be loaded."""

    word = "unusable_bundle"
    example = "models/ntu60/2: bundle.json: cannot be read"
    operations = frozenset({"load"})


class UnknownKeyError(ServiceError):
    """The service asks for a key, and this is none of its keys."""

    status = HTTPStatus.UNAUTHORIZED
    word = "unknown_key"
    title = "A key is needed"
    example = "send a key of this service as: Authorization: Bearer KEY"
    operations = ALL

    def __init__(self, detail: str) -> None:
        super().__init__(detail, {"WWW-Authenticate": "Bearer"})


class ForbiddenError(ServiceError):
    """This client may not do this."""

    status = HTTPStatus.FORBIDDEN
    title = "This is not allowed"


class ForeignHostError(ForbiddenError):
    """The service asks for no keys, or was given its names, and was asked for by a name that is none of its own."""

    word = "foreign_host"
    example = "the service was asked for as 'a.example', which is no name of its own that it knows"
    operations = ALL


class ForeignOriginError(ForbiddenError):
    """The service was asked by a page of another origin."""

    word = "foreign_origin"
    example = "a page of https://a.example asked a service at 127.0.0.1:8000"
    operations = ALL


class NotAdminError(ForbiddenError):
    """The key may not do this."""

    word = "not_admin"
    title = "This key does not open this"
    example = "the key of camera may not do this"
    operations = frozenset({"load", "admin"})


class UnknownModelError(ServiceError):
    """There is no such model, or no such version of it."""

    status = HTTPStatus.NOT_FOUND
    word = "unknown_model"
    title = "This model is not served any more"
    example = "there is no model 'ntu61'; there are: ntu60 1"
    operations = NETWORK | {"load", "model"}


class UnknownRecordingError(ServiceError):
    """There is no such recording, or not any more, or it was sent with another key."""

    status = HTTPStatus.NOT_FOUND
    word = "unknown_recording"
    title = "The recording is not there any more"
    example = "there is no such recording here, or not any more; send the files again"
    operations = CLIP | {"drop"}


class NotFoundError(ServiceError):
    """There is no such address."""

    status = HTTPStatus.NOT_FOUND
    word = "not_found"
    example = "Not Found"


class MethodNotAllowedError(ServiceError):
    """The address is there, but not for this method; `Allow` says for which."""

    status = HTTPStatus.METHOD_NOT_ALLOWED
    word = "method_not_allowed"
    example = "Method Not Allowed"


class RequestTimeoutError(ServiceError):
    """The client took too long, or does not wait."""

    status = HTTPStatus.REQUEST_TIMEOUT
    title = "The upload took too long"


class UploadTimeoutError(RequestTimeoutError):
    """The upload took too long to arrive."""

    word = "upload_timeout"
    example = "the upload did not arrive within 120 s"
    operations = BODY


class IdleError(RequestTimeoutError):
    """Only `/live`: no frame came for too long."""

    word = "idle"
    title = "Nothing came any more"
    example = "no frame came for 30 s; send frames, or open another stream when there are some"
    operations = frozenset({"live"})


class SlowReaderError(RequestTimeoutError):
    """Only `/live`: the client does not read what it is told."""

    word = "slow_reader"
    title = "The answers were not read"
    example = "what was said was not read for 5 s; read the answers while you send"
    operations = frozenset({"live"})


class GoneError(RequestTimeoutError):
    """The client has closed the connection: nobody reads this, but logs tell it from failures of the service."""

    word = "gone"
    example = "the client has closed the connection"


class TooLargeError(ServiceError):
    """The upload, a frame, their number, or what an archive unpacks to is over a limit."""

    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    word = "too_large"
    title = "The recording is too large"
    example = "rgb (wave.mp4): has more than 3000 frames; cut out the motion, or set max_frames"
    operations = BODY


class UnknownContainerError(ServiceError):
    """The file is of no format that is read."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    word = "unknown_container"
    title = "This kind of file is not known"
    example = (
        "rgb (wave.gif): is no mp4, mkv, webm or avi video, no zip of JPEG, PNG, TIFF, PGM, PPM or EXR frames, no TIFF "
        "of pages, no ROS .bag, .mcap or .db3, no MATLAB .mat of version 5, no MSR-Action3D .bin, no .npz, and no .npy"
    )
    operations = CLIP


class UnknownEncodingError(ServiceError):
    """The body is packed, as `Content-Encoding` says, in a way that is not read; `Accept-Encoding` says which are."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    word = "unknown_encoding"
    title = "This packing is not known"
    example = "the body is packed with 'br'; send it as it is, or packed with gzip or deflate"
    operations = BODY

    def __init__(self, detail: str) -> None:
        super().__init__(detail, {"Accept-Encoding": "gzip, deflate"})


class UnprocessableError(ServiceError):
    """The recording is none that the model can look at."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The recording cannot be used"


class UnusableClipError(UnprocessableError):
    """The file cannot be used; `detail` says which stream, why, and what would work."""

    word = "unusable_clip"
    example = "depth (wave.mkv): holds 8-bit images, but this model needs distances"
    operations = CLIP


class DecoderCrashedError(UnprocessableError):
    """The process that decoded the files has died of them."""

    word = "decoder_crashed"
    example = "the decoder crashed on these files; encode them again"
    operations = CLIP


class InternalError(ServiceError):
    """A defect of the service; its log has the reason under the request id."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    word = "internal"
    example = "the service failed on this request; its log has the reason under this request_id"
    operations = ALL


class TemporaryError(ServiceError):
    """The same request may be answered later: after `Retry-After` seconds."""

    def __init__(self, detail: str, *, retry_after_s: int = 1) -> None:
        super().__init__(detail, {"Retry-After": str(retry_after_s)})


class TooManyRequestsError(TemporaryError):
    """There is too much to do."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    title = "The service is busy"


class QueueFullError(TooManyRequestsError):
    """Too many requests are at work or waiting."""

    word = "queue_full"
    example = "16 requests are at work or waiting; come back in a moment"
    operations = NETWORK


class TooManyStreamsError(TooManyRequestsError):
    """Only `/live` and `/timeline`: as many streams are at work as can be, or as the device can follow."""

    word = "too_many_streams"
    example = "all 8 places for live streams and time lines are taken; come back when one has ended"
    operations = frozenset({"live", "timeline"})


class TooManyUploadsError(TooManyRequestsError):
    """Too many uploads, or bytes of uploads, are here at once."""

    word = "too_many_uploads"
    example = "64 uploads are arriving; come back in a moment"
    operations = BODY


class RateLimitError(TooManyRequestsError):
    """Too many requests came with this key in a minute."""

    word = "rate_limit"
    title = "This key was used too often"
    example = "camera may ask 60 times a minute; come back later"
    operations = ALL


class UnavailableError(TemporaryError):
    """The service does not take this request now."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "The service is not ready"


class DrainingError(UnavailableError):
    """The service is being stopped."""

    word = "draining"
    example = "the service is being stopped; ask again when it, or another one, has started"
    operations = NETWORK | {"upload", "drop", "model", "service"}


class WorkerFailedError(UnavailableError):
    """Only `ready` and `live`: a part of the service has failed."""

    word = "worker_failed"
    example = "a part of the service has failed (network); it is being started again; its log has the reason"
    operations = frozenset({"model", "service"})


class NoModelError(UnavailableError):
    """No model is loaded at all."""

    word = "no_model"
    title = "No model is loaded"
    example = "no model is loaded; come back when the service's owner has loaded one"
    operations = CLIP | {"service"}


class LoadingError(UnavailableError):
    """The model is just being loaded."""

    word = "loading"
    example = "ntu60 is being loaded; come back soon"
    operations = NETWORK | {"model"}


class OverloadedError(UnavailableError):
    """So much waits that the answer would come too late; nothing was computed."""

    word = "overloaded"
    title = "The service is busy"
    example = "12 requests come first, an answer would take 31.0 s, and only 20 s are allowed"
    operations = NETWORK


class DecoderKilledError(UnavailableError):
    """The process that decoded the files was killed, as the system does where memory runs out."""

    word = "decoder_killed"
    example = "the process that decoded these files was killed, as the system does where memory runs out"
    operations = CLIP


class DeadlineError(ServiceError):
    """The answer was not ready within the deadline, or before the service stopped, or could not be any more."""

    status = HTTPStatus.GATEWAY_TIMEOUT
    word = "deadline"
    title = "It took too long"
    example = "no answer within 60 s; cut out the motion, or try again when the service is less busy"
    operations = NETWORK


class NoSpaceError(ServiceError):
    """There is no space for the upload, or what it unpacks to, on the service's disk."""

    status = HTTPStatus.INSUFFICIENT_STORAGE
    word = "no_space"
    title = "The service has no space left"
    example = "there is no space for the upload at the moment; come back later"
    operations = FILES


def all_errors(kind: type[ServiceError] = ServiceError) -> Iterator[type[ServiceError]]:
    """Yield the classes that a request may be refused with: the leaves of the tree."""
    for special in kind.__subclasses__():
        yield from all_errors(special) if special.__subclasses__() else (special,)
