"""The types that the page's JavaScript is checked with are those of the service's own document."""

import re
from pathlib import Path
from typing import Any

import pytest

from serve.live.contract import asyncapi
from tests.support.public_surface import service

_TYPES = Path(__file__).parents[2] / "serve" / "static" / "client" / "wire.d.ts"
_SCHEMA_OF = {
    "Model": "ModelReply",
    "ModelDetails": "ModelDetails",
    "Score": "Prediction",
    "Clip": "ClipReply",
    "Person": "PersonReply",
    "Part": "WindowReply",
    "Answer": "PredictReply",
    "Explanation": "ExplainReply",
    "Timeline": "TimelineReply",
    "MotionEvent": "EventReply",
    "StreamPreview": "StreamPreview",
    "View": "ViewPreview",
    "PreviewPreparation": "PreviewPreparation",
    "ModelState": "AdminModel",
    "ServiceState": "AdminState",
    "Refusal": "Problem",
    "LiveReady": "Ready",
    "LiveView": "ViewMessage",
    "LiveAnswer": "AnswerMessage",
    "LiveEvent": "EventMessage",
}


@pytest.fixture(scope="module")
def schemas() -> Any:
    return service()[0].openapi()["components"]["schemas"] | asyncapi("1")["components"]["schemas"]


@pytest.mark.parametrize("name", _SCHEMA_OF)
def test_what_the_page_reads_is_what_the_service_says(name: str, schemas: Any) -> None:
    text = re.search(rf"export interface {name}\b[^{{]*{{\n(.*?)^}}", _TYPES.read_text(), re.MULTILINE | re.DOTALL)
    assert text is not None
    fields = re.findall(r"^  (\w+)\??: (.*);$", text[1], re.MULTILINE)
    assert fields
    promised = schemas[_SCHEMA_OF[name]]["properties"]
    assert {field for field, _ in fields} <= promised.keys()
    can_be_null = {field for field, kind in fields if kind.endswith("| null")}
    assert can_be_null == {field for field, _ in fields if {"type": "null"} in promised[field].get("anyOf", [])}
