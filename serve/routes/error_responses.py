"""What may go wrong, for the OpenAPI document: one entry for each status, with an example of each error."""

from typing import Any

from serve import errors
from serve.http.problems import problem_document
from serve.schemas import Problem

Responses = dict[int | str, dict[str, Any]]
Kinds = tuple[type[errors.ServiceError], ...]

PROBLEM = f"#/components/schemas/{Problem.__name__}"

_REQUEST_ID = "ace8b6fec7cc4523a444877adc6d5b29"  # as an example

_ANYWHERE: Kinds = (
    errors.UnknownKeyError,
    errors.ForeignOriginError,
    errors.ForeignHostError,
    errors.RateLimitError,
    errors.InternalError,
)
_BODY: Kinds = (
    errors.MalformedRequestError,
    errors.TooLargeError,
    errors.UploadTimeoutError,
    errors.TooManyUploadsError,
)
_CLIP_ONLY: Kinds = (
    errors.MissingStreamError,
    errors.MalformedMetaError,
    errors.WhichModelError,
    errors.NoModelError,
    errors.UnknownContainerError,
    errors.UnusableClipError,
    errors.DecoderCrashedError,
)
_WORK: Kinds = (
    errors.MalformedTimeoutError,
    errors.UnknownModelError,
    errors.QueueFullError,
    errors.DrainingError,
    errors.LoadingError,
    errors.OverloadedError,
    errors.DeadlineError,
)
_CLIP: Kinds = (*_CLIP_ONLY, errors.NoSpaceError, *_BODY, *_WORK)


def problems(*kinds: type[errors.ServiceError], is_protocol: bool = False) -> Responses:
    """Return the responses of an operation that may end with these errors, or those that any may end with.

    `is_protocol` is for addresses of the Open Inference Protocol, which has the message in `error`.
    """
    responses: Responses = {}
    for kind in dict.fromkeys((*kinds, *_ANYWHERE)):
        response = responses.setdefault(
            kind.status.value,
            {
                "description": kind.status.phrase,
                "content": {"application/problem+json": {"schema": {"$ref": PROBLEM}, "examples": {}}},
            },
        )
        example = problem_document(kind.status, kind.word, kind.example, _REQUEST_ID, is_protocol=is_protocol)
        response["content"]["application/problem+json"]["examples"][kind.word] = {"value": example}
    return responses


CLIP_PROBLEMS = problems(*_CLIP)
EXPLAIN_PROBLEMS = problems(*_CLIP, errors.UnknownClassError)
INFER_PROBLEMS = problems(errors.MalformedTensorsError, *_BODY, *_WORK, is_protocol=True)
MODEL_PROBLEMS = problems(
    errors.UnknownModelError, errors.LoadingError, errors.DrainingError, errors.WorkerFailedError, is_protocol=True
)
LOAD_PROBLEMS = problems(
    errors.UnknownModelError, errors.UnusableBundleError, errors.NotAdminError, *_BODY, is_protocol=True
)
ADMIN_PROBLEMS = problems(errors.NotAdminError)
SERVICE_PROBLEMS = problems(errors.DrainingError, errors.WorkerFailedError, errors.NoModelError, is_protocol=True)
