"""All settings of a run: the one place where a setting is declared, with its default.

From the declaration follow the checks, the options of the command line (`options`), what a recipe
and a sweep may hold, the JSON Schema, and, written by `tools/write_settings.py`, the keyword
arguments that editors and type checkers know (`keywords`) and the table in `docs/knobs.md`.

Long: one declaration after the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from inspect import cleandoc
from typing import Annotated, Literal

from ..errors import UsageError
from .plain import plain
from .presets import PRESETS, RECONSTRUCTION
from .setting import Setting, declared, documentation
from .strength import strength_factors

__all__ = [
    "EVERY",
    "LARGEST",
    "OF_THE_MACHINE",
    "PRESETS",
    "RECONSTRUCTION",
    "SETTINGS",
    "Border",
    "Loss",
    "Pooling",
    "Settings",
]

Border = Literal["zero", "replicate", "reflect", "wrap"]
Loss = Literal["wasserstein", "relative", "gatys2016"]
Pooling = Literal["max", "average"]
LARGEST = 20_000  # pixels of a side
EVERY = 20.0  # seconds between two savings of a checkpoint


def _style_layers() -> dict[str, float]:
    return {"relu1_1": 1.0, "relu2_1": 2.0, "relu3_1": 2.0, "relu4_1": 1.0, "relu5_1": 0.3}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that decides the picture, besides the pictures and the weights.

    Such as `Settings(size=256)`. An object does not change: `dataclasses.replace` makes another.
    """

    size: Annotated[
        int,
        Setting(
            "sizes and iterations",
            "longer side in pixels, from 16 up; full: as CONTENT; auto: all that fits in memory",
            "Longer side of the result in pixels.",
            (16, LARGEST),
            metavar="PIXELS",
            also=("auto", "full"),
        ),
    ] = 512
    enlarge: Annotated[
        bool,
        Setting(
            "sizes and iterations",
            "allow --size above the size of CONTENT",
            "Allow a result larger than the content picture.",
            commands=("stylize", "reconstruct"),
        ),
    ] = False
    iterations: Annotated[
        int,
        Setting(
            "sizes and iterations",
            "at the full size",
            "L-BFGS iterations at the full size; in a print, twice as many at 512 pixels.",
            (1, 1_000_000),
            metavar="N",
        ),
    ] = 20
    coarse_iterations: Annotated[
        int,
        Setting(
            "sizes and iterations",
            "at each coarser size",
            "L-BFGS iterations at each coarser size; in a print, twice as many.",
            (1, 1_000_000),
            metavar="N",
        ),
    ] = 30
    print_iterations: Annotated[
        int,
        Setting(
            "sizes and iterations",
            "at each size after 512 px of a print",
            "A result of more than 1024 pixels is a print: the picture at 512 pixels, continued at "
            "larger sizes. So many L-BFGS iterations at each of them.",
            (1, 1_000_000),
            metavar="N",
        ),
    ] = 8
    first_size: Annotated[
        int,
        Setting(
            "sizes and iterations",
            "longer side of the coarsest size",
            "Longer side, in pixels, of the first and coarsest size, where the large forms are "
            "painted. The smaller it is, the more of the painting's objects come into the picture.",
            (16, LARGEST),
            metavar="PIXELS",
        ),
    ] = 96
    scales: Annotated[
        int | None,
        Setting(
            "sizes and iterations",
            "number of sizes",
            "How many sizes, in equal steps from `first_size` to `size`; None for steps of about "
            "2.",
            (1, 12),
            metavar="N",
            shown="steps of about 2",
        ),
    ] = None
    deep_size: Annotated[
        int,
        Setting(
            "sizes and iterations",
            "largest size at which layers beyond block 3 act",
            "Longer side, in pixels, up to which layers deeper than the third block act, besides "
            "at the first size: what they ask for is painted by then, and they are most of the "
            "work.",
            (16, LARGEST),
            metavar="PIXELS",
        ),
    ] = 300

    strength: Annotated[
        float | None,
        Setting(
            "weights",
            "0 the photograph, 50 the default, 100 repainted",
            "How far from photograph to painting: it moves `style_weight`, `tv_weight`, "
            "`first_size` and the weights of `content_layers`. 50, or None, leaves them as they "
            "are.",
            (0, 100),
            commands=("stylize",),
        ),
    ] = None
    content_weight: Annotated[
        float,
        Setting(
            "weights",
            "likeness to CONTENT",
            "alpha of `L = alpha L_content + beta L_style + gamma L_tv`.",
            (0, 1e12),  # float32 holds a loss that is so much larger
            commands=("stylize",),
            metavar="WEIGHT",
        ),
    ] = 1.0
    style_weight: Annotated[
        float,
        Setting(
            "weights",
            "likeness to STYLE",
            "beta: how much the style counts. Not both this and `content_weight` can be 0.",
            (0, 1e12),
            commands=("stylize",),
            metavar="WEIGHT",
        ),
    ] = 7.5
    tv_weight: Annotated[
        float,
        Setting(
            "weights",
            "smoothness",
            "gamma: how smooth the picture is to be, by its total variation.",
            (0, 1e12),
            metavar="WEIGHT",
        ),
    ] = 8.0

    style_scale: Annotated[
        float | tuple[float, ...],
        Setting(
            "style",
            "size of the strokes, for all STYLEs or each",
            "Size of the style's strokes: longer side of the style picture over that of the "
            "result; one for all styles, or one each.",
            (0.1, 10),
            commands=("stylize", "texture"),
            metavar="A[,B...]",
        ),
    ] = 1.0
    style_blend: Annotated[
        tuple[float, ...] | None,
        Setting(
            "style",
            "weight of each STYLE, such as 0.7,0.3",
            "Weight of each style picture; equal when None.",
            commands=("stylize", "texture"),
            metavar="A,B...",
            shown="equal",
        ),
    ] = None
    style_frame: Annotated[
        Literal["crop", "keep"],
        Setting(
            "style",
            "a frame around STYLE",
            "What becomes of a frame around a style picture; with style masks, it stays.",
            commands=("stylize", "texture"),
        ),
    ] = "crop"
    preserve_color: Annotated[
        Literal["off", "luminance", "match", "histogram"],
        Setting(
            "style",
            "keep the colours of CONTENT",
            "Keep the photograph's colours: transfer luminance alone, or give the style the mean "
            "and covariance, or the histogram, of the photograph's colours first.",
            commands=("stylize",),
        ),
    ] = "off"

    content_layers: Annotated[
        Mapping[str, float],
        Setting(
            "network and loss",
            "such as relu4_2:1,relu3_1:0.5",
            "Layers whose features are kept, with weights, which are divided by their sum.",
            commands=("stylize",),
            metavar="LAYERS",
        ),
    ] = field(default_factory=lambda: {"relu2_2": 1.0, "relu4_2": 1.0})
    style_layers: Annotated[
        Mapping[str, float],
        Setting(
            "network and loss",
            "such as relu1_1:4,relu3_1:1",
            "Layers whose statistics are those of the style, with weights, which are divided by "
            "their sum.",
            commands=("stylize", "texture"),
            metavar="LAYERS",
        ),
    ] = field(default_factory=_style_layers)
    loss: Annotated[
        Loss,
        Setting(
            "network and loss",
            "what a style is",
            "The Wasserstein distance of the features' means and covariances, relative to what "
            "the target alone would give; the difference of Gram matrices, relative as well; or "
            "Gram matrices with the paper's constants.",
            commands=("stylize", "texture"),
        ),
    ] = "wasserstein"
    pooling: Annotated[
        Pooling | None,
        Setting(
            "network and loss",
            "how the network makes its maps smaller",
            "Instead of what the weights file says, unless None. Gatys et al. found averages to "
            "give better pictures; with the Wasserstein distance maxima do.",
        ),
    ] = "max"
    border: Annotated[
        Border,
        Setting(
            "network and loss",
            "what is beyond the edge",
            "What the network sees beyond the edge: nothing; at the first layer the pixels at the "
            "edge once more, and nothing deeper; the mirrored picture; or, so that the result "
            "tiles, its other side.",
        ),
    ] = "zero"

    init: Annotated[
        str,
        Setting(
            "start",
            "start from content, noise, style (where there is one), or a picture file",
            "Where the run starts: the content, noise, the style, or the path of a picture.",
            commands=("stylize", "reconstruct"),
            metavar="INIT",
            words=("content", "noise", "style"),
        ),
    ] = "content"
    init_blend: Annotated[
        float,
        Setting(
            "start",
            "share of INIT in the start, the rest is CONTENT",
            "Share of `init` in the start; the rest is the content.",
            (0, 1),
            commands=("stylize", "reconstruct"),
        ),
    ] = 1.0
    seed: Annotated[int, Setting("start", "of the noise", "Of the noise.", (0, 2**63 - 1))] = 0

    segment: Annotated[
        int | None,
        Setting(
            "run",
            "iterations from one checkpoint to the next",
            "L-BFGS-B begins anew after so many iterations, and a checkpoint is kept there; None "
            "for 30 where there is a checkpoint, and never where there is none.",
            (1, 1_000_000),
            commands=(),
        ),
    ] = None
    threads: Annotated[
        int | None,
        Setting(
            "run",
            "of the engine",
            "Threads of the engine; all cores when None. The result does not depend on it.",
            (1, 1024),
            shown="all cores",
            machine=True,
        ),
    ] = None

    memory: Annotated[
        int | None,
        Setting(
            "run",
            "bytes to use at most, such as 2G",
            "Memory to use at most, in bytes. A picture that would need more is computed in bands, "
            "with the same result but for rounding. None for nine tenths of what is free.",
            (10**8, 10**15),
            metavar="2G",
            shown="nine tenths of what is free",
            unit="bytes",
            machine=True,
        ),
    ] = None

    max_pixels: Annotated[
        int | None,
        Setting(
            "run",
            "of a picture that is read, at most",
            "Pixels, at most, of a picture that is read: more are refused before they are decoded. "
            "Each takes 12 bytes of memory. None for 178 million.",
            (10**6, 10**11),
            metavar="N",
            shown="178 million",
            machine=True,
        ),
    ] = None

    def __post_init__(self) -> None:
        for one in fields(self):
            object.__setattr__(self, one.name, plain(getattr(self, one.name)))

    def check(self) -> None:
        """Raise UsageError for the first setting that makes no sense."""
        for name, setting in SETTINGS.items():
            setting.check(getattr(self, name))
        if self.content_weight == 0 and self.beta == 0:
            raise UsageError("cannot both be 0", setting=("content_weight", "style_weight"))

    @property
    def start_picture(self) -> str | None:
        """The path in `init`, if it is one."""
        return None if self.init in SETTINGS["init"].words else self.init

    @property
    def style_scales(self) -> tuple[float, ...]:
        """`style_scale` as a tuple."""
        one_for_all = not isinstance(self.style_scale, tuple)
        return (self.style_scale,) if one_for_all else self.style_scale  # type: ignore[return-value]

    @property
    def beta(self) -> float:
        """The style weight, moved by `strength`."""
        return self.style_weight * strength_factors(self.strength).style

    @property
    def gamma(self) -> float:
        """The weight of the total variation, moved by `strength`."""
        return self.tv_weight * strength_factors(self.strength).tv

    @property
    def coarsest(self) -> float:
        """The first size, moved by `strength`."""
        return self.first_size * strength_factors(self.strength).first_size

    @property
    def kept(self) -> dict[str, float]:
        """The content layers, those of the first two blocks moved by `strength`."""
        share = strength_factors(self.strength).shallow
        moved = {
            name: weight * (share if name.startswith(("relu1", "relu2")) else 1.0)
            for name, weight in self.content_layers.items()
        }
        return {name: weight for name, weight in moved.items() if weight} or {**self.content_layers}


SETTINGS = declared(Settings)

if Settings.__doc__ is not None:  # as with python -OO
    Settings.__doc__ = cleandoc(Settings.__doc__) + "\n\nAttributes\n----------\n"
    Settings.__doc__ += documentation(SETTINGS.values())
OF_THE_MACHINE = {name for name, setting in SETTINGS.items() if setting.machine}
