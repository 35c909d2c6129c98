"""ONNX file -> plain list of layers, with the pre-processing of its pictures first."""

import hashlib
import os
import warnings
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from minimalstyle.errors import MinimalstyleWarning, WeightsError
from minimalstyle.files import one_line
from minimalstyle.network.graph import GraphReader
from minimalstyle.network.layers import VGG, Conv, Layer
from minimalstyle.network.tensors import float32

if TYPE_CHECKING:  # onnx takes 0.15 s to import: only when a file is read
    import onnx

__all__ = ["load_vgg"]

_EMBEDDED = resources.files("minimalstyle") / "data" / "vgg19.onnx"
_IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

_MAX_BYTES = 2**31  # of a protobuf message

Array = npt.NDArray[Any]


def load_vgg(path: str | os.PathLike[str] | None = None) -> VGG:
    """Read a VGG-like network from an ONNX file.

    The single chain of nodes from the graph input is followed up to the classifier head.
    Batch normalisation is folded into the convolution before it; layers are named by counting
    convolutions between pools: `conv1_1`, `relu1_1`, ..., `pool1`, `conv2_1`.

    The first layer is always the convolution `preprocess`, (1, 1, 3, 3), that takes RGB in
    [0, 1]. It is the graph's own first convolution where that is 1x1 with 3 channels in and
    out; else `(x - mean) / std` with the entries `preprocess_mean` and `preprocess_std` of the
    file's `metadata_props`, each three numbers separated by commas, in the order R, G, B; else
    the same with ImageNet's mean and std.

    Parameters
    ----------
    path : path-like, optional
        The file; by default the VGG-19 that comes with the package.

    Returns
    -------
    VGG

    Raises
    ------
    WeightsError
        The file is missing, damaged or not ONNX, or its graph is not a VGG-like chain.

    Warns
    -----
    MinimalstyleWarning
        ImageNet's mean and std are assumed because the file says nothing.
    """
    if path is None:
        with resources.as_file(_EMBEDDED) as file:  # also from inside an archive
            return load_vgg(file)
    file = Path(path)
    try:
        data = _read(file)
        model = _parse(data)
        # str: protobuf gives bytes where a text is not UTF-8
        metadata = {str(entry.key): str(entry.value) for entry in model.metadata_props}
        layers = GraphReader(model.graph, file.parent).layers()
        assumed = _add_preprocess(layers, metadata)
    except OSError as error:
        raise WeightsError(one_line(f"{file}: {error.strerror or error}")) from error
    except MemoryError as error:
        raise WeightsError(one_line(f"{file}: not enough memory to read it")) from error
    except (TypeError, ValueError) as error:  # TypeError: attributes of the wrong kind
        raise WeightsError(one_line(f"{file}: {error}")) from error
    if assumed:
        warnings.warn(
            one_line(
                f"{file}: no preprocess_mean and preprocess_std in its metadata; "
                "ImageNet's mean and std for RGB in [0, 1] are assumed"
            ),
            MinimalstyleWarning,
            stacklevel=2,
        )
    return VGG(tuple(layers), hashlib.sha256(data).hexdigest(), metadata)


def _read(file: Path) -> bytes:
    if not file.exists():
        raise ValueError("no such file")
    if not file.is_file():
        raise ValueError("not a file")
    if file.stat().st_size > _MAX_BYTES:
        raise ValueError("larger than 2 GiB, which no ONNX file is")
    return file.read_bytes()


def _parse(data: bytes) -> "onnx.ModelProto":
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    if data.startswith(b"version https://git-lfs.github.com/spec/"):
        raise ValueError("is a Git LFS pointer, not the file itself: run `git lfs pull`")
    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise ValueError("not an ONNX file, or a damaged one") from error
    if not model.graph.node:
        raise ValueError("not an ONNX file, or an empty one")
    return model


def _add_preprocess(layers: list[Layer], metadata: dict[str, str]) -> bool:
    """Put `preprocess` first where it is missing; True if ImageNet's numbers had to be assumed."""
    if layers[0].name == "preprocess":
        return False
    texts = [metadata.get(f"preprocess_{key}") for key in ("mean", "std")]
    assumed = texts == [None, None]
    try:
        given = [[float(n) for n in (text or "nan").split(",")] for text in texts]
        mean, std = np.array(_IMAGENET if assumed else given).reshape(2, 3)
        if not np.isfinite((mean, std)).all() or std.min() <= 0:
            raise ValueError
    except ValueError:
        raise ValueError(
            "preprocess_mean and preprocess_std in its metadata must both be "
            "three numbers separated by commas, std positive"
        ) from None
    weight = np.diag(1 / std)[None, None]
    bias = -mean / std
    layers.insert(0, Conv("preprocess", float32(weight, "preprocess"), float32(bias, "preprocess")))
    return assumed
