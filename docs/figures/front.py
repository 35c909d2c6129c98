"""The two pictures of the front page: python docs/figures/front.py"""

import argparse
from pathlib import Path

from PIL import Image

import minimalstyle as ms
from minimalstyle.pictures import images

ROOT = Path(__file__).resolve().parents[2]

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=768, help="longer side in pixels")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images", help="folder")
    options = parser.parse_args()
    photograph = ROOT / "examples" / "neuschwanstein.jpg"
    result = ms.stylize(photograph, ROOT / "examples" / "starry_night.jpg", size=options.size)
    height, width, _ = result.image.shape
    before = images.resize(images.load(photograph).rgb, width, height)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, pixels in (("before", images.eight_bits(before)), ("after", result.image)):
        Image.fromarray(pixels).save(options.out / f"front_{name}.jpg", quality=85)
