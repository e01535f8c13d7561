"""What is said of the errors elsewhere is what their classes say: in the reference, in the docs."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from serve import errors
from serve.errors import ServiceError
from tests.support.public_surface import service

ROOT = Path(__file__).parents[2]

# What no operation promises: there is no such address, or not for this method, or nobody waits for the answer; or it
# ends a WebSocket, of which OpenAPI says nothing.
UNPROMISED = {"not_found", "method_not_allowed", "gone", "idle", "slow_reader"}


def tree(kind: type[ServiceError] = ServiceError, depth: int = 0) -> Iterator[tuple[int, type[ServiceError]]]:
    yield depth, kind
    for special in kind.__subclasses__():
        yield from tree(special, depth + 1)


ERRORS = [kind for _, kind in tree() if not kind.__subclasses__()]


def test_the_tree_is_as_it_is_drawn() -> None:
    drawn = re.findall(r"^([|` ]*(?:-- )?)(\w+Error)(?: +(\d+))?", errors.__doc__ or "", re.MULTILINE)
    assert [(len(lines) // 4, name) for lines, name, _ in drawn] == [(depth, kind.__name__) for depth, kind in tree()]
    for _, name, status in drawn:
        assert not status or getattr(errors, name).status == int(status)


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.word)
def test_each_has_a_word_of_its_own_and_an_example(kind: type[ServiceError]) -> None:
    assert {"word", "example", "__doc__"} <= set(vars(kind))
    assert kind.__name__ == "".join(part.capitalize() for part in kind.word.split("_")) + "Error"
    assert [other for other in ERRORS if other.word == kind.word] == [kind]
    refusal = kind(kind.example)
    assert (refusal.status_code, refusal.detail) == (kind.status, kind.example)


def test_the_reference_has_them() -> None:
    promised = {}
    for operations in service()[0].openapi()["paths"].values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                for content in answer.get("content", {}).values():
                    promised |= {
                        word: (int(status), case["value"]) for word, case in content.get("examples", {}).items()
                    }
    assert set(promised) == {kind.word for kind in ERRORS} - UNPROMISED
    for kind in ERRORS:
        if kind.word not in UNPROMISED:
            status, example = promised[kind.word]
            assert (status, example["detail"], example["title"]) == (kind.status, kind.example, kind.title)


def test_the_docs_have_them() -> None:
    text = (ROOT / "docs" / "serving.md").read_text()
    documented = re.findall(r"^\| (\d{3}) \| `(\w+)` \| (.+) \|$", text, re.MULTILINE)
    assert documented == [
        (str(kind.status.value), kind.word, (kind.__doc__ or "").removesuffix("."))
        for kind in sorted(ERRORS, key=lambda kind: kind.status)
    ]
