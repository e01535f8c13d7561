"""What may go wrong, for the OpenAPI document: one entry for each status, with an example of each error."""

from http import HTTPStatus
from typing import Any

from serve.schemas import Problem

Responses = dict[int | str, dict[str, Any]]

PROBLEM = f"#/components/schemas/{Problem.__name__}"

_EXAMPLES = {
    "missing_stream": (400, "this model needs rgb and depth; give depth, too, as a file of that name in the form"),
    "malformed_meta": (400, "meta: fps: Input should be a valid number"),
    "malformed_request": (400, "query.top_k: Input should be greater than or equal to 1"),
    "malformed_timeout": (400, "X-Request-Timeout: 'soon' is no number of seconds above 0"),
    "malformed_tensors": (400, "rgb: is UINT8 [1, 64, 224, 224], the model takes UINT8 [-1, 64, 224, 224, 3]"),
    "which_model": (400, "say which model is asked, with ?model=; there are: gestures, ntu60"),
    "unknown_class": (400, "index 60: the model has the classes 0 to 59"),
    "unusable_bundle": (400, "models/ntu60/2: bundle.json: cannot be read"),
    "unknown_key": (401, "send a key of this service as: Authorization: Bearer KEY"),
    "not_admin": (403, "the key of camera may not do this"),
    "foreign_origin": (403, "a page of https://a.example asked a service at 127.0.0.1:8000"),
    "foreign_host": (403, "this service is for this machine alone, and was asked for as 'a.example'"),
    "unknown_model": (404, "there is no model 'ntu61'; there are: ntu60 1"),
    "upload_timeout": (408, "the upload did not arrive within 120 s"),
    "too_large": (413, "rgb (wave.mp4): has more than 3000 frames; cut out the motion, or set max_frames"),
    "unknown_container": (
        415,
        "rgb (wave.gif): is no mp4, mkv, webm or avi video, no zip of JPEG or PNG frames, and no .npz",
    ),
    "unusable_clip": (422, "depth (wave.mkv): holds 8-bit images, but this model needs distances"),
    "decoder_crashed": (422, "the decoder crashed on these files; encode them again"),
    "queue_full": (429, "16 requests are at work or waiting; come back in a moment"),
    "too_many_uploads": (429, "64 uploads are arriving; come back in a moment"),
    "rate_limit": (429, "camera may ask 60 times a minute; come back later"),
    "internal": (500, "the service failed on this request; its log has the reason under this request_id"),
    "draining": (503, "the service is being stopped; ask again when it, or another one, has started"),
    "worker_failed": (
        503,
        "a part of the service has failed (network); it is being started again; its log has the reason",
    ),
    "no_model": (503, "no model is loaded; come back when the service's owner has loaded one"),
    "loading": (503, "ntu60 is being loaded; come back soon"),
    "overloaded": (503, "12 requests come first, an answer would take 31.0 s, and only 20 s are allowed"),
    "deadline": (504, "no answer within 60 s; cut out the motion, or try again when the service is less busy"),
    "no_space": (507, "there is no space for the upload at the moment; come back later"),
}

_ANYWHERE = ("unknown_key", "foreign_origin", "foreign_host", "rate_limit", "internal")
_BODY = ("malformed_request", "too_large", "upload_timeout", "too_many_uploads")
_CLIP_ONLY = (
    "missing_stream",
    "malformed_meta",
    "which_model",
    "no_model",
    "unknown_container",
    "unusable_clip",
    "decoder_crashed",
)
_WORK = ("malformed_timeout", "unknown_model", "queue_full", "draining", "loading", "overloaded", "deadline")
_CLIP = (*_CLIP_ONLY, "no_space", *_BODY, *_WORK)


def problems(*errors: str, is_protocol: bool = False) -> Responses:
    """Return the responses of an operation that may end with these errors, or those that any may end with.

    Under /v2/ the protocol's clients look for the message in `error`: `is_protocol`.
    """
    responses: Responses = {}
    for error in dict.fromkeys((*errors, *_ANYWHERE)):
        code, detail = _EXAMPLES[error]
        status = HTTPStatus(code)
        response = responses.setdefault(
            code,
            {
                "description": status.phrase,
                "content": {"application/problem+json": {"schema": {"$ref": PROBLEM}, "examples": {}}},
            },
        )
        value = {
            "type": "about:blank",
            "title": status.phrase,
            "status": code,
            "detail": detail,
            "error": f"{error}: {detail}" if is_protocol else error,
            "request_id": "ace8b6fec7cc4523a444877adc6d5b29",
        }
        response["content"]["application/problem+json"]["examples"][error] = {"value": value}
    return responses


CLIP_PROBLEMS = problems(*_CLIP)
EXPLAIN_PROBLEMS = problems(*_CLIP, "unknown_class")
INFER_PROBLEMS = problems("malformed_tensors", *_BODY, *_WORK, is_protocol=True)
MODEL_PROBLEMS = problems("unknown_model", "loading", "draining", "worker_failed", is_protocol=True)
LOAD_PROBLEMS = problems("unknown_model", "unusable_bundle", "not_admin", *_BODY, is_protocol=True)
ADMIN_PROBLEMS = problems("not_admin")
SERVICE_PROBLEMS = problems("draining", "worker_failed", "no_model", is_protocol=True)
