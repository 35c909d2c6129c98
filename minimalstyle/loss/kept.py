"""Moments of paintings that need not be measured twice."""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from .._types import Float32, Floating
from ..network.bounded import measure
from ..network.evaluation import Moments, unheard
from ..network.network import Network
from ..settings.settings import Border, Pooling
from .terms import Gaussian, gaussian

__all__ = ["KeptMoments"]

_ROOM = 64 << 20  # bytes; with the default settings, those of a painting at all sizes take 5 MB


class KeptMoments:
    """In place of `measure`: what was measured already is given once more, bit for bit.

    It is known by the pixels themselves, the weights, the layers, and whatever else `measure` is
    told. What was not asked for for longest is forgotten.

    Parameters
    ----------
    room : int
        Bytes that may be kept.
    """

    def __init__(self, room: int = _ROOM) -> None:
        self._room = room
        self._found: OrderedDict[str, dict[str, Moments]] = OrderedDict()
        self._normals: OrderedDict[bytes, Gaussian] = OrderedDict()

    @property
    def found(self) -> dict[str, dict[str, Moments]]:
        """By an identity, the moments of each layer."""
        return dict(self._found)

    def add(self, found: Mapping[str, Mapping[str, Moments]]) -> None:
        """Keep what was measured elsewhere."""
        for key, moments in found.items():
            self._found[key] = dict(moments)
            self._found.move_to_end(key)
        while len(self._found) > 1 and self._bytes() > self._room:
            self._found.popitem(last=False)

    def _bytes(self) -> int:
        return sum(m.second.nbytes for found in self._found.values() for m in found.values())

    def __call__(
        self,
        network: Network,
        image: Floating,
        layers: Iterable[str],
        *,
        pooling: Pooling | None = None,
        border: Border,
        mask: Float32 | None = None,
        bound: int | None = None,
        between: Callable[[float], object] = unheard,
    ) -> dict[str, Moments]:
        """`measure`."""
        names = list(layers)
        weights = [network.vgg.sha256, pooling or network.pooling]
        told = json.dumps([*weights, border, sorted(names)])
        digest = hashlib.sha256(told.encode())
        for array in (image, mask):
            if array is not None:
                digest.update(f"{array.shape} {array.dtype.str}".encode())
                digest.update(np.ascontiguousarray(array).data)
        key = digest.hexdigest()
        found = self._found.get(key)
        if found is None or not _fit(found, network, names):
            found = measure(
                network,
                image,
                names,
                pooling=pooling,
                border=border,
                mask=mask,
                bound=bound,
                between=between,
            )
        self.add({key: found})
        return {name: found[name] for name in names}

    def gaussian(self, mean: Float32, second: Float32) -> Gaussian:
        """`terms.gaussian`: its eigenvectors take longer than an evaluation of a small picture."""
        key = hashlib.sha256(mean.tobytes() + second.tobytes()).digest()
        found = self._normals.get(key) or gaussian(mean, second)
        self._normals[key] = found
        self._normals.move_to_end(key)
        while sum(one.root.nbytes for one in self._normals.values()) > self._room:
            self._normals.popitem(last=False)
        return found


def _fit(found: Mapping[str, Moments], network: Network, layers: Iterable[str]) -> bool:
    """Whether moments from a file can be those of this network."""
    return all(name in found and len(found[name].mean) == network.channels[name] for name in layers)
