"""What a JSON schema describes, as lines: name, type and default of each field, with dots between the levels."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

Schema = Mapping[str, Any]


def model_lines(model: type[BaseModel], place: str = "", known: Mapping[str, str] = {}) -> Iterator[str]:
    """Yield the fields of a model, below `place`; of the classes in `known` only the name that stands there."""
    schema = model.model_json_schema(schema_generator=_JsonSchema)
    for part in schema.get("$defs", {}).keys() & known.keys():
        schema["$defs"][part] = {"type": f"as {known[part]}"}
    yield from field_lines(schema, schema, place)


def field_lines(schema: Schema, root: Schema, place: str = "") -> Iterator[str]:
    """Yield the fields that a schema describes, below `place`; it may refer to parts of the document `root`."""
    schema = _resolved(schema, root)
    for name, part in schema.get("properties", {}).items():
        below = f"{place}.{name}".removeprefix(".")
        yield f"{below} {described(part, root, is_required=name in schema.get('required', ()))}"
        yield from field_lines(part, root, below)
    if "items" in schema:
        yield from field_lines(schema["items"], root, f"{place}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from field_lines(schema["additionalProperties"], root, f"{place}.*")
    for part in schema.get("anyOf", ()):
        yield from field_lines(part, root, place)


def described(schema: Schema, root: Schema, *, is_required: bool) -> str:
    """Return type and default of a field."""
    schema = _resolved(schema, root)
    words = [type_of(schema, root)]
    if is_required:
        words.append("(required)")
    if "default" in schema and not isinstance(schema["default"], dict):  # a section's are those of its fields
        words.append(f"= {json.dumps(schema['default'])}")
    return " ".join(words)


def type_of(schema: Schema, root: Schema) -> str:
    """Return the type that a schema describes, in a few words."""
    schema = _resolved(schema, root)
    if "const" in schema or "enum" in schema:
        return f"{{{','.join(map(str, schema.get('enum') or [schema['const']]))}}}"
    if "anyOf" in schema:
        return " | ".join(type_of(part, root) for part in schema["anyOf"])
    if "prefixItems" in schema:
        return f"[{', '.join(type_of(part, root) for part in schema['prefixItems'])}]"
    if "items" in schema:
        return f"list of {type_of(schema['items'], root)}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"map of {type_of(schema['additionalProperties'], root)}"
    return str(schema.get("format") or schema.get("contentMediaType") or schema.get("type", "any"))


def _resolved(schema: Schema, root: Schema) -> Schema:
    """Return a schema, or what it refers to and what it says beside that."""
    if "$ref" not in schema:
        return schema
    found: Any = root
    for name in schema["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return {**found, **{key: value for key, value in schema.items() if key != "$ref"}}


class _JsonSchema(GenerateJsonSchema):
    """Takes the class for the type of what is no JSON, such as the tensors of a checkpoint."""

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:  # noqa: ARG002
        return {"type": schema["cls"].__name__}
