"""What may go wrong, for the OpenAPI document: one entry for each status, with an example of each error."""

from typing import Any

from serve.errors import Operation, all_errors
from serve.http.problems import problem_document
from serve.schemas import Problem

Responses = dict[int | str, dict[str, Any]]

PROBLEM = f"#/components/schemas/{Problem.__name__}"

_REQUEST_ID = "ace8b6fec7cc4523a444877adc6d5b29"  # as an example


def problems(operation: Operation, *, is_protocol: bool = False) -> Responses:
    """Return the responses with which such an operation may be refused.

    `is_protocol` is for addresses of the Open Inference Protocol, which has the message in `error`.
    """
    responses: Responses = {}
    for kind in all_errors():
        if operation in kind.operations:
            response = responses.setdefault(
                kind.status.value,
                {
                    "description": kind.status.phrase,
                    "content": {"application/problem+json": {"schema": {"$ref": PROBLEM}, "examples": {}}},
                },
            )
            example = problem_document(kind(kind.example), _REQUEST_ID, is_protocol=is_protocol)
            response["content"]["application/problem+json"]["examples"][kind.word] = {"value": example}
    return responses
