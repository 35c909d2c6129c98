"""Every picture of a folder, as minimalstyle reads it and as another program does.

    python tools/compare_readers.py FOLDER
    python tools/compare_readers.py FOLDER --with pillow --levels 2

The other one is ImageMagick where it is installed, else Pillow alone. Both turn pictures upright
and convert them to sRGB. Colours are compared where at least a quarter of them is visible. Exit
codes: 0, all agree; 1, a picture differs by more than --levels; 2, there is nothing to compare.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageOps

from minimalstyle.errors import ImageError
from minimalstyle.files import one_line
from minimalstyle.pictures import images
from minimalstyle.pictures.profiles import srgb_bytes

SUFFIXES = {
    ".avif", ".bmp", ".dng", ".gif", ".heic", ".heif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png",
    ".pnm", ".ppm", ".tif", ".tiff", ".webp",
}  # fmt: skip
SECONDS = 120  # for a picture

Floats = npt.NDArray[np.floating[Any]]
Reader = Callable[[Path], Floats]


def imagemagick(program: str) -> Reader:
    def read(path: Path) -> Floats:
        with tempfile.NamedTemporaryFile(suffix=".icc") as profile, path.open("rb") as file:
            profile.write(srgb_bytes())
            profile.flush()
            # Through a pipe: no name is taken for an option, a format or a pattern.
            canvas = ["-coalesce"] if path.suffix.lower() == ".gif" else []
            command = [program, "-[0]", *canvas, "-auto-orient", "-profile", profile.name]
            command += ["-colorspace", "sRGB", "-alpha", "set", "-depth", "16", "pam:-"]
            done = subprocess.run(
                command, stdin=file, capture_output=True, timeout=SECONDS, check=False
            )
        if not done.stdout:
            raise OSError(one_line(done.stderr.decode(errors="replace")) or "no picture")
        return from_pam(done.stdout)

    return read


def from_pam(data: bytes) -> Floats:
    """(H, W, 4) in [0, 1] from a Portable Arbitrary Map."""
    header, end, body = data.partition(b"ENDHDR\n")
    fields = dict(line.split(None, 1) for line in header.splitlines()[1:] if b" " in line)
    width, height, channels, most = (
        int(fields[key]) for key in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL")
    )
    if not end or channels not in (1, 2, 3, 4):
        raise OSError("not a picture")
    kind = ">u2" if most > 255 else "u1"
    values = np.frombuffer(body, kind, height * width * channels) / most
    values = values.reshape(height, width, channels)
    colours = values[..., : 1 if channels < 3 else 3]
    alpha = values[..., -1:] if channels in (2, 4) else np.ones((height, width, 1))
    return np.concatenate([np.broadcast_to(colours, (height, width, 3)), alpha], axis=2)


def pillow(path: Path) -> Floats:
    with Image.open(path) as image:
        profile = image.info.get("icc_profile")
        image.load()
        upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith(("I", "F")):
        grey = np.asarray(upright, np.float64) / (1 if upright.mode == "F" else 65535)
        return np.dstack([grey, grey, grey, np.ones_like(grey)])
    rgba = np.asarray(upright.convert("RGBA")) / 255
    if profile is None and upright.mode != "LAB":
        return rgba
    kinds = {"L": "L", "LA": "L", "CMYK": "CMYK", "LAB": "LAB"}
    colours = upright.convert(kinds.get(upright.mode, "RGB"))
    source = ImageCms.createProfile("LAB") if upright.mode == "LAB" else BytesIO(profile)
    converted = ImageCms.profileToProfile(
        colours, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    rgba[..., :3] = np.asarray(converted) / 255
    return rgba


def compare(path: Path, other: Reader) -> tuple[str, float, str]:
    """What was compared, the largest difference in levels of 255, and why it is so."""
    ours, refusal, remarks = None, "", []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            ours = images.load(path)
        except ImageError as error:
            refusal = str(error).removeprefix(f"{path}: ")
        remarks = [str(one.message).removeprefix(f"{path}: ") for one in caught]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = other(path)
    except Exception as error:  # of whatever kind: it is another program's
        why = one_line(str(error)) or type(error).__name__
        return ("neither reads it", 0, refusal) if ours is None else ("ours alone", 0, why)
    if ours is None:
        return "theirs alone", 0, refusal
    height, width = ours.rgb.shape[:2]
    if theirs.shape[:2] != (height, width):
        return "size", 255, f"{width}x{height} and {theirs.shape[1]}x{theirs.shape[0]}"
    alpha = np.ones((height, width)) if ours.alpha is None else ours.alpha
    off = np.abs(alpha - theirs[..., 3]) * 255
    seen = np.minimum(alpha, theirs[..., 3]) >= 0.25
    colours = np.abs(ours.rgb - theirs[..., :3]).max(axis=2, where=seen[..., None], initial=0) * 255
    if off.max() > colours.max():
        remarks.insert(0, "alpha")
    y, x = np.unravel_index((colours + off).argmax(), off.shape)
    if max(off.max(), colours.max()) > 0.5:
        remarks.append(f"at {x},{y}")
    return f"{width}x{height}", float(max(colours.max(), off.max())), "; ".join(remarks)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument("--with", choices=("imagemagick", "pillow"), dest="other")
    parser.add_argument("--levels", type=float, default=3, help="of 255, that may differ")
    options = parser.parse_args()
    if not options.folder.is_dir():
        parser.error(f"{options.folder}: is not a folder")
    files = sorted(p for p in options.folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not files:
        parser.error(f"{options.folder}: has no pictures")
    program = shutil.which("magick") or shutil.which("convert")
    if options.other == "imagemagick" and program is None:
        parser.error("ImageMagick is not installed")
    use_pillow = options.other == "pillow" or program is None
    other = pillow if use_pillow else imagemagick(str(program))
    counts: Counter[str] = Counter()
    print(f"{'file':40} {'compared':16} {'levels':>7}  why")
    for path in files:
        what, off, why = compare(path, other)
        name = one_line(str(path.relative_to(options.folder)))
        print(f"{name:40} {what:16} {off:7.1f}  {why}".rstrip(), flush=True)
        compared = "alone" not in what and "neither" not in what
        counts[what if not compared else "differ" if off > options.levels else "agree"] += 1
    found = ", ".join(f"{count} {what}" for what, count in counts.most_common())
    name = "Pillow" if use_pillow else "ImageMagick"
    print(f"{len(files)} pictures against {name}: {found} (to {options.levels:g} levels)")
    return 1 if counts["differ"] else 0


if __name__ == "__main__":
    sys.exit(main())
