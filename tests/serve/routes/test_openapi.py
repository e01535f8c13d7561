"""The service keeps what its OpenAPI document promises, whatever it is sent."""

import math
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import APIOperation, BaseSchema, Case, GenerationMode, checks

from benchmarks.support.tiny_bundle import SPEC, make_bundle
from benchmarks.support.wire import valid_request
from tests.support.server import running_server
from tests.support.uploads import depth_frames, rgb_frames, video

_CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]
_REAL = {"name": "tiny", "version": "1"}  # what nobody would guess


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BaseSchema]:
    """Yield the document of a server of its own: this one may be asked for anything."""
    with running_server(make_bundle(tmp_path_factory.mktemp("bundle")), deadline_s=10) as server:
        yield schemathesis.openapi.from_url(server.url + "/openapi.json")


def test_answers_are_as_documented(document: BaseSchema) -> None:
    operations = [result.ok() for result in document.get_all_operations()]
    assert {"POST /predict", "DELETE /recordings/{recording}", "POST /v2/models/{name}/infer"} <= {
        operation.label for operation in operations
    }
    for operation in operations:
        check(operation)


def test_answers_to_clips_are_as_documented(document: BaseSchema, tmp_path: Path) -> None:
    given = {"rgb": rgb_frames(), "depth": depth_frames()}
    form = valid_request({stream: video(tmp_path, frames, ".mkv") for stream, frames in given.items()})
    clip = {"shape": [1, *SPEC.shape], "datatype": "UINT8", "data": [0] * math.prod(SPEC.shape)}
    tensors = {"inputs": [{"name": stream, **clip} for stream in ("rgb", "depth")]}
    with httpx.Client(base_url=document.get_base_url()) as client:
        answers = {
            path: client.post(path, content=form.body, headers=form.headers)
            for path in ("/predict", "/timeline?window_s=0.2", "/preview", "/explain")
        }
        answers["/recordings"] = client.post("/recordings", content=form.body, headers=form.headers)
        answers["/v2/models/{name}/infer"] = client.post("/v2/models/tiny/infer", json=tensors)
    for path, answer in answers.items():
        assert answer.is_success, answer.text
        document[path.partition("?")[0]]["POST"].validate_response(answer)


def check(operation: APIOperation) -> None:
    # A model that was unloaded would not be there for the others.
    may_be_real = st.just(False) if operation.path.endswith("/unload") else st.booleans()

    @settings(max_examples=15, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=st.one_of([operation.as_strategy(mode) for mode in GenerationMode]), is_real=may_be_real)
    def send(case: Case, is_real: bool) -> None:
        if is_real:
            case.path_parameters |= {name: _REAL[name] for name in case.path_parameters if name in _REAL}
        case.call_and_validate(checks=_CHECKS)

    send()
