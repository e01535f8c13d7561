"""The JSON of the Open Inference Protocol v2: what a request to a model holds, and a reply."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class InputParameters(BaseModel):
    """How a tensor comes."""

    model_config = ConfigDict(extra="forbid")

    binary_data_size: int | None = Field(None, description="so many bytes behind the JSON are its values")


class OutputParameters(BaseModel):
    """How an output is wanted."""

    model_config = ConfigDict(extra="forbid")

    binary_data: bool | None = Field(None, description="as bytes behind the JSON (default: as binary_data_output says)")
    classification: int = Field(
        0, ge=0, description="as this many classes by their names, the best first; 0: as numbers"
    )


class RequestParameters(BaseModel):
    """How a request is to be answered."""

    model_config = ConfigDict(extra="forbid")

    binary_data_output: bool = Field(False, description="outputs come as bytes behind the JSON")
    timeout: int = Field(0, ge=0, description="microseconds that the answer may take; 0: as the service has it")


class InferInput(BaseModel):
    """A tensor; its values are `data`, or bytes behind the JSON (`parameters.binary_data_size` of them)."""

    name: str
    shape: list[int]
    datatype: str
    parameters: InputParameters = InputParameters()
    data: Any = None


class InferOutput(BaseModel):
    """Which output is wanted, and how."""

    name: str
    parameters: OutputParameters = OutputParameters()


class InferRequest(BaseModel):
    """The JSON of a request; with the binary extension, the tensors' bytes follow it in the order of `inputs`."""

    id: str | None = None
    inputs: list[InferInput] = Field(min_length=1)
    outputs: list[InferOutput] = []
    parameters: RequestParameters = RequestParameters()

    def is_binary(self, name: str) -> bool:
        """Return whether the client wants this output as bytes."""
        is_wanted = self._parameters_of(name).binary_data
        return self.parameters.binary_data_output if is_wanted is None else is_wanted

    def num_classes(self, name: str) -> int:
        """Return as how many classes the client wants this output, 0 for its numbers."""
        return self._parameters_of(name).classification

    def _parameters_of(self, name: str) -> OutputParameters:
        return next((output.parameters for output in self.outputs if output.name == name), OutputParameters())


class InferReply(BaseModel):
    """The JSON of a reply; tensors without `data` follow it as bytes, in their order."""

    id: str | None = None
    model_name: str
    model_version: str
    outputs: list[InferInput]
