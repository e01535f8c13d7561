"""The JSON of the Open Inference Protocol v2: what a request to a model holds, and a reply."""

from typing import Any

from pydantic import BaseModel, Field


class InferInput(BaseModel):
    """A tensor; its values are `data`, or bytes behind the JSON (`parameters.binary_data_size` of them)."""

    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] = {}
    data: Any = None


class InferOutput(BaseModel):
    """Which output is wanted; `parameters.binary_data` asks for bytes behind the JSON."""

    name: str
    parameters: dict[str, Any] = {}


class InferRequest(BaseModel):
    """The JSON of a request; with the binary extension, the tensors' bytes follow it in the order of `inputs`."""

    id: str | None = None
    inputs: list[InferInput] = Field(min_length=1)
    outputs: list[InferOutput] = []
    parameters: dict[str, Any] = {}

    def is_binary(self, name: str) -> bool:
        """Return whether the client wants this output as bytes."""
        wanted = {output.name: output.parameters for output in self.outputs}
        return bool(wanted.get(name, {}).get("binary_data", self.parameters.get("binary_data_output", False)))


class InferReply(BaseModel):
    """The JSON of a reply; tensors without `data` follow it as bytes, in their order."""

    id: str | None = None
    model_name: str
    model_version: str
    outputs: list[InferInput]
