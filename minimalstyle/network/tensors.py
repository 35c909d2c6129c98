"""Weights as arrays, from a file that may say anything about them."""

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import onnx

__all__ = ["FIELDS", "float32", "values_of"]

Array = npt.NDArray[Any]

# Element types of weights, by their number in ONNX: the field that holds the numbers when
# `raw_data` does not, and what they are in raw_data.
FIELDS = {1: ("float_data", "<f4"), 10: ("int32_data", "<f2"), 11: ("double_data", "<f8")}


def values_of(tensor: "onnx.TensorProto", folder: Path, what: str) -> Array:
    """The numbers of a tensor; never more than the file has, whatever the shape says."""
    field, dtype = FIELDS.get(tensor.data_type, ("", ""))
    if not field:
        raise ValueError(f"{what} is neither float16, float32 nor float64")
    count, size = math.prod(tensor.dims), np.dtype(dtype).itemsize
    if tensor.data_location == tensor.EXTERNAL:
        _load_external(tensor, folder, count * size, what)
    if tensor.HasField("raw_data"):
        raw = tensor.raw_data  # a copy
        array = np.frombuffer(raw[: len(raw) // size * size], dtype)
    elif field == "int32_data":  # the bits of float16
        array = np.array(tensor.int32_data, np.int32).astype(np.uint16).view(np.float16)
    else:
        array = np.array(getattr(tensor, field), dtype)
    if array.size != count:
        raise ValueError(f"{what} has {array.size} values for the shape {list(tensor.dims)}")
    return array.reshape(tensor.dims)


def _load_external(tensor: "onnx.TensorProto", folder: Path, size: int, what: str) -> None:
    """Read a tensor's external data, from a regular file in `folder` and nowhere else."""
    from onnx.checker import ValidationError
    from onnx.external_data_helper import load_external_data_for_tensor

    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    file = os.path.join(os.path.realpath(folder), os.path.normpath(location))
    leaves = os.path.isabs(location) or ".." in Path(location).parts
    if not location or leaves or os.path.realpath(file) != file:  # they differ by a symbolic link
        raise ValueError(f"{what} is stored outside the file's own folder, in '{location}'")
    if not os.path.isfile(file):
        raise ValueError(f"{what} is stored in '{location}', which is not there")
    available = os.path.getsize(file)
    offset = int(entries.get("offset", 0))
    length = int(entries.get("length", available - offset))
    if offset < 0 or length != size or offset + length > available:
        raise ValueError(f"{what} needs {size} bytes of '{location}', which has others")
    try:
        load_external_data_for_tensor(tensor, os.fspath(folder))
    except ValidationError as error:
        raise ValueError(f"{what}: {error}") from error


def float32(array: Array, where: str) -> npt.NDArray[np.float32]:
    """Weights as the engine has them; ValueError for some that are not finite."""
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, dtype=np.float32)
    if not (np.isfinite(array.min()) and np.isfinite(array.max())):
        raise ValueError(f"{where} has weights that are not finite numbers (NaN or infinity)")
    return array
