"""A model as an ONNX file, which ONNX Runtime and others run."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from torch import Tensor

from fastrun.errors import ConfigError
from fastrun.training.trained.export.agreement import Function
from fastrun.training.trained.export.tensor_model import TensorModel
from fastrun.training.trained.export.traced import Traced, quiet

INPUT, OUTPUT = "inputs", "outputs"

_MOST_BYTES = (1 << 31) - (1 << 24)  # of weights: a file is a message of protobuf, which has less than 2 GiB
_OPERATOR = re.compile(r"No ONNX function found for <OpOverload\(op='([\w.]+)'")
_HINT = "--to torch and --to safetensors take every model of torch"


def check_size(model: TensorModel) -> None:
    """Check that the weights of a model fit a file.

    Raises:
        ConfigError: they do not.
    """
    size = sum(tensor.nbytes for tensor in (*model.parameters(), *model.buffers()))
    if size > _MOST_BYTES:
        raise ConfigError(f"the weights take {size / 1e9:.1f} GB, and an ONNX file holds 2 at most", _HINT)


def write(traced: Traced) -> bytes:
    """Return a graph as the content of an ONNX file.

    Raises:
        ConfigError: ONNX has no operator for one of the graph.
    """
    try:
        with quiet():
            converted = torch.onnx.export(
                traced.program,
                dynamo=True,
                verbose=False,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=(traced.dynamic,),  # once more, for the names of the sizes
            )
    except torch.onnx.OnnxExporterError as error:
        raise ConfigError(_reason(error), _HINT) from error
    assert converted is not None
    content: bytes = converted.model_proto.SerializeToString()
    return content


def read(content: bytes) -> Function:
    """Return the function that an ONNX file computes, by ONNX Runtime on the CPU.

    Raises:
        ConfigError: ONNX Runtime does not take the file.
    """
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)  # errors alone
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no public base
        raise ConfigError(f"ONNX Runtime does not take the model: {str(error).splitlines()[0]}", _HINT) from error

    def outputs(inputs: Tensor) -> Tensor:
        (found,) = session.run([OUTPUT], {INPUT: inputs.numpy()})
        return torch.from_numpy(found)

    return outputs


def _reason(error: BaseException) -> str:
    """Return why a graph could not be converted: the operator that ONNX lacks, or the innermost error."""
    messages = [str(cause).strip() for cause in _causes(error)]
    for message in messages:
        if found := _OPERATOR.search(message):
            return f"ONNX has no operator for {found[1]}, which the model uses; no file is kept"
    return f"the model cannot be converted to ONNX: {messages[-1].splitlines()[0]}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__
