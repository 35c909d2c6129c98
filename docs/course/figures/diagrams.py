"""Draw the two diagrams of the course as SVG: python docs/course/figures/diagrams.py"""

import argparse
from html import escape
from pathlib import Path

from minimalstyle import load_network
from minimalstyle.network.layers import Conv, Pool
from minimalstyle.settings.settings import Settings

IMAGES = Path(__file__).resolve().parents[1] / "images"
INK, PAPER, STYLE, CONTENT, FAINT = "#1b2b4b", "#ffffff", "#b86e00", "#1f5fb0", "#6b7688"
BLOCKS = ("#c9d8ef", "#a9c2e6", "#88aadb", "#6790cc", "#4674b8")


def text(x: float, y: float, words: str, *, size: float = 12, fill: str = INK, **more: str) -> str:
    """A line of text; `more` are attributes of SVG."""
    attributes = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())
    place = f'x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{fill}"'
    return f"<text {place}{attributes}>{escape(words)}</text>"


def drawing(width: int, height: int, title: str, parts: list[str]) -> str:
    """A whole file: on white, so that it can be read on a dark page."""
    head = '<marker id="tip" markerWidth="8" markerHeight="8" refX="6" refY="4" orient="auto">'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
            f'width="{1.5 * width:g}" height="{1.5 * height:g}" font-family="sans-serif">',
            f"<title>{escape(title)}</title>",
            f'<defs>{head}<path d="M0 0 8 4 0 8z" fill="{FAINT}"/></marker></defs>',
            f'<rect width="{width}" height="{height}" fill="{PAPER}"/>',
            *parts,
            "</svg>\n",
        ]
    )


def network(width: int = 512, height: int = 341) -> str:
    """The layers of VGG-19 for a picture of this size: what each sees, how large its maps are."""
    settings = Settings()
    parts = [
        text(8, 20, "layer", fill=FAINT),
        text(216, 20, "channels", fill=FAINT, text_anchor="end"),
        text(228, 20, "size of a map", fill=FAINT),
        text(392, 20, "sees", fill=FAINT, text_anchor="end"),
    ]
    y, field, stride, block = 30, 1, 1, 0
    for layer in load_network().vgg.layers:
        if isinstance(layer, Pool):
            field, stride, block = field + stride, 2 * stride, block + 1
            width, height = width // 2, height // 2
            parts.append(
                text(84, y + 13, "pooling: half as wide, half as high", size=10, fill=FAINT)
            )
            y += 19
        elif isinstance(layer, Conv) and layer.name != "preprocess":
            field += (len(layer.weight) - 1) * stride
            name = layer.name.replace("conv", "relu")
            bar = 88 * width / 512
            place = f'x="84" y="{y}" width="{bar:.1f}" height="20"'
            parts.append(f'<rect {place} rx="2" fill="{BLOCKS[block]}"/>')
            used = [(STYLE, "style")] * (name in settings.style_layers)
            used += [(CONTENT, "content")] * (name in settings.content_layers)
            colour = used[0][0] if used else INK
            weight = "bold" if used else "normal"
            parts.append(text(8, y + 15, name, fill=colour, font_weight=weight))
            parts.append(text(216, y + 15, f"{layer.weight.shape[3]}", text_anchor="end"))
            parts.append(text(228, y + 15, f"{width} x {height}"))
            parts.append(text(392, y + 15, f"{field} px", text_anchor="end"))
            if used:
                parts.append(text(304, y + 15, used[0][1], fill=colour, font_weight="bold"))
            y += 24
    shown = "what the program compares by default"
    parts.append(text(8, y + 16, f"style, content: {shown}", size=10, fill=FAINT))
    return drawing(400, y + 26, "The layers of VGG-19 and what each sees", parts)


FLOW = [  # forwards, what is kept for the way back, backwards
    ("image x", "(H, W, 3)", "", "gradient by x", "(H, W, 3)"),
    ("convolution", "y = x * K + b", "nothing", "convolution", "dx = dy * flipped K"),
    ("ReLU", "y = max(x, 0)", "y", "mask", "dx = dy where y > 0"),
    ("pooling", "mean or maximum", "winner", "share, or winner", "dx = dy / 4, or to the winner"),
    ("features F", "(N, C), N = h w", "F", "gradient by F", "what arrives is added up"),
    ("Gram matrix", "G = F'F / N", "F", "Gram, backwards", "dF = F (dG + dG') / N"),
    ("losses", "|F - P|² / |P|², |G - A|² / |A|²", "P, A", "", "dF = 2 (F - P) / |P|², dG = ..."),
    ("sum", "L = content + style + TV, weighted", "", "", "dL = 1"),
]


def flow() -> str:
    """Forwards on the left, from the image to the loss; backwards on the right, to the pixels."""
    parts = [
        text(93, 18, "forwards", fill=FAINT, text_anchor="middle"),
        text(210, 18, "kept", fill=FAINT, text_anchor="middle"),
        text(327, 18, "backwards", fill=FAINT, text_anchor="middle"),
    ]
    top, step = 28, 62
    for row, (name, formula, kept, back, gradient) in enumerate(FLOW):
        y = top + row * step
        for x, title, line, colour in ((6, name, formula, CONTENT), (240, back, gradient, STYLE)):
            parts.append(
                f'<rect x="{x}" y="{y}" width="174" height="42" rx="4" fill="{PAPER}" '
                f'stroke="{colour}" stroke-width="1.5"/>'
            )
            title_y = y + 17 if line else y + 26
            if title:
                parts.append(text(x + 87, title_y, title, font_weight="bold", text_anchor="middle"))
            size = 11 if len(line) < 31 else 10.5
            line_y = y + 33 if title else y + 26
            parts.append(text(x + 87, line_y, line, size=size, text_anchor="middle"))
        if kept:
            arrow = f'<path d="M182 {y + 26}h54" stroke="{FAINT}" stroke-dasharray="3 2" '
            parts.append(arrow + 'marker-end="url(#tip)"/>')
            parts.append(text(208, y + 20, kept, size=10, fill=FAINT, text_anchor="middle"))
        if row:
            parts.append(f'<path d="M93 {y - 19}v15" stroke="{FAINT}" marker-end="url(#tip)"/>')
            parts.append(f'<path d="M327 {y - 1}v-15" stroke="{FAINT}" marker-end="url(#tip)"/>')
    y = top + 21
    parts.append(f'<path d="M239 {y}h-54" stroke="{INK}" stroke-width="2" marker-end="url(#tip)"/>')
    parts.append(text(210, y - 6, "L-BFGS-B", size=10, text_anchor="middle"))
    parts.append(text(210, y + 15, "next x", size=10, text_anchor="middle"))
    y = top + (len(FLOW) - 1) * step + 21
    parts.append(f'<path d="M181 {y}h54" stroke="{INK}" stroke-width="2" marker-end="url(#tip)"/>')
    return drawing(420, y + 30, "Data forwards to the loss, gradients back to the pixels", parts)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=IMAGES, help="folder")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for name, drawn in (("network", network()), ("flow", flow())):
        (out / f"{name}.svg").write_text(drawn, encoding="utf-8")
