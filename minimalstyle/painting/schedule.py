"""From coarse to fine: the sizes of a run, and what is done at each."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import UsageError
from ..optimize.lbfgs import EXPONENT
from ..pictures.images import MIN_SIDE, Size, fit
from ..settings.settings import Settings

__all__ = ["Scale", "paints_content", "prints", "scales", "sizes", "style_size"]

# Of the optimiser's variables where a photograph is painted on. At coarse sizes, where it is far
# from the painting, steps are long, and with less smooth variables spots of a flat sky run away
# into branches and speckle (docs/choices.md).
_COARSE_EXPONENT, _PAINTED_EXPONENT = 0.5, 0.2
_SHALLOW = 3  # blocks of the network whose layers act at every size
_SHALLOW_WORK = 0.4  # share of the work that is left without the others
# A result with a longer side above this is a print: a picture of the size after it, continued at
# larger sizes. There that picture is the content. The photograph would take its strokes away again,
# and leave their rests (docs/choices.md). What is a dot in the picture is a blot in the print, so
# the picture gets more iterations.
_PRINT, _PICTURE, _MORE = 1024, 512, 2
_FIXED_WORK = 10_000  # pixels whose work every evaluation costs besides its own


@dataclass(frozen=True)
class Scale:
    """One size of a run.

    Attributes
    ----------
    size : Size
    iterations : int
    content_layers, style_layers : dict of str to float
        Those that act, with their shares of the weight of all: what the others weigh is left out
        with them.
    exponent : float
        Of the optimiser's variables.
    deep : bool
        All style layers act.
    continues : bool
        The content is the picture as painted so far, enlarged, and no painting is enlarged.
    large : bool
        The optimiser is one that takes little memory.
    """

    size: Size
    iterations: int
    content_layers: dict[str, float]
    style_layers: dict[str, float]
    exponent: float
    deep: bool
    continues: bool
    large: bool

    @property
    def work(self) -> float:
        """Of the whole scale, in pixels of an iteration in which all layers act."""
        share = 1.0 if self.deep else _SHALLOW_WORK
        return self.iterations * share * (self.size.width * self.size.height + _FIXED_WORK)


def scales(of_sizes: Sequence[tuple[int, int]], settings: Settings) -> list[Scale]:
    """What is done at given sizes (width, height), coarse to fine."""
    made = []
    whole, more = len(of_sizes), 1  # the number of the size where the picture is whole
    if prints(max(of_sizes[-1]), settings):
        whole = 1 + sum(max(size) < _PICTURE for size in of_sizes)
        more = _MORE
    for number, size in enumerate(of_sizes, start=1):
        first, continues = number == 1, number > whole
        iterations = settings.iterations if number == whole else settings.coarse_iterations
        exponent = _COARSE_EXPONENT if number < whole else _PAINTED_EXPONENT
        styles = _acting(settings.style_layers, size, settings, first=first)
        made.append(
            Scale(
                Size(*size),
                settings.print_iterations if continues else more * iterations,
                _acting(settings.kept, size, settings, first=first),
                styles,
                exponent if paints_content(settings) else EXPONENT,
                len(styles) == len(settings.style_layers),
                continues,
                max(size) > _PRINT,
            )
        )
    return made


def sizes(content: tuple[int, int], settings: Settings) -> list[Size]:
    """Sizes of a run, coarse to fine, in equal steps of about 2.

    The large forms are painted at the first size: so it is the same for a preview and for a print,
    and only for small pictures less.

    Parameters
    ----------
    content : (width, height)
        Of the content picture.
    settings : Settings
    """
    width, height = content
    longer = settings.size if settings.enlarge else min(settings.size, max(width, height))
    smallest = math.ceil((MIN_SIDE - 0.5) * max(width, height) / min(width, height))
    if longer < smallest:
        raise UsageError(
            f"{longer} would leave less than {MIN_SIDE} pixels on the shorter side "
            f"of this picture; it takes {smallest}",
            setting="size",
        )
    a_print = prints(longer, settings)
    picture = max(_PICTURE, smallest) if a_print else longer
    first = max(min(settings.coarsest, picture / 2), smallest)
    sides = [*_sides(first, picture, settings.scales), picture]
    if a_print:
        sides += [*_sides(picture, longer, None)[1:], longer]
    return [fit(width, height, side) for side in dict.fromkeys(sides)]


def _sides(first: float, last: int, number: int | None) -> list[int]:
    """Those before the last, in equal steps; of about 2 without a number."""
    if first > 0.8 * last:  # a beginning of nearly the same size helps nobody
        return []
    steps = max(round(math.log2(last / first)), 1) if number is None else number - 1
    return [round(last * (first / last) ** (step / steps)) for step in range(steps, 0, -1)]


def prints(longer: int, settings: Settings) -> bool:
    """Whether a result of a longer side is a picture that is continued."""
    painted = paints_content(settings) and settings.init_blend == 1.0
    return longer > _PRINT and painted and settings.scales is None


def style_size(own: Size, factor: float, scale: Scale) -> Size:
    """Of a painting at a scale: `factor` times as large as the result.

    The strokes of an enlarged painting are soft, and those of a print would be.
    """
    longer = round(factor * max(scale.size))
    return fit(*own, min(longer, max(own)) if scale.continues else longer)


def paints_content(settings: Settings) -> bool:
    """Whether style is painted on the photograph itself."""
    return settings.init == "content" and settings.beta > 0


def _acting(
    layers: Mapping[str, float], size: tuple[int, int], settings: Settings, *, first: bool
) -> dict[str, float]:
    """All layers at the first size and at small ones; at others those of the first blocks."""
    total = sum(layers.values())
    shares = {name: weight / total for name, weight in layers.items()}
    if first or max(size) <= settings.deep_size:
        return shares
    return {name: share for name, share in shares.items() if _block(name) <= _SHALLOW} or shares


def _block(layer: str) -> int:
    """Of a layer such as relu3_1 or pool3."""
    number = re.search(r"\d+", layer)
    return int(number[0]) if number else 0
