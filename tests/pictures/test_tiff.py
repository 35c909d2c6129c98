"""TIFFs of every kind against their own samples: read rightly, or refused in true words."""

import itertools
import struct
import warnings

import numpy as np
import pytest
from PIL import Image
from tiffs import differences, tiff

from minimalstyle.errors import ImageError, MinimalstyleWarning
from minimalstyle.pictures import images

H, W = 18, 21
WHITE_IS_ZERO, GREY, RGB, PALETTE, CMYK = 0, 1, 2, 3, 5
COLOURS = {WHITE_IS_ZERO: 1, GREY: 1, RGB: 3, PALETTE: 1, CMYK: 4}
UNSIGNED, SIGNED, FLOAT = 1, 2, 3


def kinds():
    """All that make sense together: of the parts of the picture, then of its layout."""
    for photo, bits, kind, extra, planes in itertools.product(
        COLOURS, (1, 2, 4, 8, 12, 16, 32), (1, 2, 3), ((), (0,), (1,), (2,)), (1, 2)
    ):
        if (kind == FLOAT and bits < 16) or (kind == SIGNED and bits in (1, 2, 4, 12)):
            continue
        if (photo == PALETTE and (bits > 8 or kind != UNSIGNED)) or (photo == CMYK and bits < 8):
            continue
        if planes == 2 and COLOURS[photo] + len(extra) == 1:
            continue
        for packing, order in itertools.product((1, 8), "<>"):
            options = {"photometric": photo, "bits": bits, "kind": kind, "extra": extra}
            options |= {"planes": planes, "compression": packing, "order": order}
            yield options
            if order == "<":
                yield options | {"tile": 16}
                yield options | {"strip": 5}
                if kind == UNSIGNED:
                    yield options | {"fill": 2}
                if bits >= 8 and bits != 12 and kind != FLOAT and packing == 8:
                    yield options | {"predictor": 2}
                if packing == 8:
                    yield options | {"compression": 32773}


def samples_of(rng, options):
    bits, kind, extra = options["bits"], options["kind"], options["extra"]
    colours = COLOURS[options["photometric"]]
    shape = (H, W, colours + len(extra))
    if kind == FLOAT:
        samples = rng.random(shape).astype(np.float32)
    elif kind == SIGNED:
        samples = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), shape).astype(f"i{bits // 8}")
    else:
        samples = rng.integers(0, 2**bits, shape).astype(f"u{max(1, (bits + 4) // 8)}")
    if extra == (1,):  # colours are multiplied with alpha: not above it
        samples[..., :colours] = np.minimum(samples[..., :colours], samples[..., colours:])
    return samples


def meant(samples, options):
    """RGB and alpha by the standard, TIFF 6.0."""
    photo, extra = options["photometric"], options["extra"]
    values = samples.astype(float)
    if options["kind"] == UNSIGNED:
        values /= 2 ** options["bits"] - 1
    alpha = values[..., -1] if extra in ((1,), (2,)) else np.ones((H, W))
    colours = values[..., : COLOURS[photo]]
    if extra == (1,):
        colours = colours / np.maximum(alpha, 1e-9)[..., None]
    if photo == WHITE_IS_ZERO:
        colours = 1 - colours
    if photo == PALETTE:
        colours = samples[..., :1] / 255  # a grey value for each number
    if photo == CMYK:
        colours = (1 - colours[..., :3]) * (1 - colours[..., 3:])
    return np.broadcast_to(colours, (H, W, 3)), alpha


def test_every_kind():
    rng = np.random.default_rng(0)
    right, deep, refused = 0, 0, set()
    for options in kinds():
        samples = samples_of(rng, options)
        data = tiff(samples, **options)
        rgb, alpha = meant(samples, options)
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                picture = images.load(data)
        except ImageError as error:
            text = str(error)
            refused.add(text.split(": ", 1)[1])
            assert "damaged" not in text, (options, text)
            assert "save it" in text, (options, text)
            continue
        unnamed = options["photometric"] == RGB and options["extra"] == (0,)
        said = ["of no known meaning" in str(one.message) for one in caught]
        assert said == [True] * unnamed, list(options.items())
        seen = alpha >= 0.25
        # Levels of 8 bits: four where a quarter was multiplied with alpha, two for two inks.
        levels = 4 if options["extra"] == (1,) else 2 if options["photometric"] == CMYK else 1
        tolerance = 1.1 * levels / 255
        off = np.abs(picture.rgb - rgb)[seen].max()
        found = np.ones((H, W)) if picture.alpha is None else picture.alpha
        assert max(off, np.abs(found - alpha).max()) < tolerance, options
        right += 1
        deep += options["bits"] >= 12 and off < 1e-6
    assert right > 250
    assert deep > 50
    assert len(refused) > 50


WORDS = {
    "has signed numbers of 16 bits": {"bits": 16, "kind": SIGNED},
    "has signed numbers of 8 bits": {"bits": 8, "kind": SIGNED},
    "has whole numbers of 32 bits": {"bits": 32},
    "(grey with white as 0, 1 channel of 16 bits)": {"bits": 16, "photometric": 0, "order": ">"},
    "(RGB, 3 channels of 32 floating-point bits)": {"bits": 32, "kind": FLOAT, "photometric": 2},
    "(CMYK, 5 channels of 8 bits, tiff_adobe_deflate)": {
        "photometric": CMYK, "extra": (2,), "compression": 8,
    },
    "has a further channel in a plane of its own": {
        "extra": (2,), "planes": 2, "compression": 8,
    },
    "has no tag that says what its numbers mean": {"tags": ((262, "H", []),)},
    "is compressed in a way that is not read (compression 34892)": {
        "tags": ((259, "H", [34892]),)
    },
    "(ICC Lab, 3 channels of 8 bits)": {"photometric": 9, "colours": 3},
    "has Lab colours in planes": {"photometric": 8, "colours": 3, "planes": 2},
    "has other inks than CMYK": {"photometric": CMYK, "tags": ((332, "H", [2]),)},
    "has colours at half the resolution, uncompressed": {"photometric": 6, "colours": 3},
}  # fmt: skip


@pytest.mark.parametrize("words", WORDS)
def test_words(tmp_path, words):
    options = {"photometric": GREY, "extra": (), "kind": UNSIGNED, "bits": 8, **WORDS[words]}
    colours = options.pop("colours", None) or COLOURS[options["photometric"]]
    channels = colours + len(options["extra"])
    kind = {FLOAT: "f", SIGNED: "i", UNSIGNED: "u"}[options["kind"]]
    samples = np.ones((H, W, channels), f"{kind}{max(1, options['bits'] // 8)}")
    (tmp_path / "a.tif").write_bytes(tiff(samples, **options))
    with pytest.raises(ImageError) as caught:
        images.load(tmp_path / "a.tif")
    assert words in str(caught.value)
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize("packing", [1, 8])
def test_lab(tmp_path, packing):
    """CIE 15: from L*a*b* to XYZ; IEC 61966-2-1: from there to sRGB, through D50."""
    lab = np.random.default_rng(0).integers((60, -10, -10), (80, 10, 10), (H, W, 3))
    stored = np.dstack([np.rint(lab[..., :1] * 2.55), lab[..., 1:]]).astype(np.int64) & 255
    data = tiff(stored.astype(np.uint8), photometric=8, compression=packing)
    (tmp_path / "a.tif").write_bytes(data)
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    xyz = f**3 * [0.9642, 1, 0.8249]  # all brighter than where the cube ends
    matrix = np.array(
        [[3.1338561, -1.6168667, -0.4906146], [-0.9787684, 1.9161415, 0.0334540],
         [0.0719453, -0.2289914, 1.4052427]]
    )  # fmt: skip
    expected = 1.055 * (xyz @ matrix.T) ** (1 / 2.4) - 0.055
    np.testing.assert_allclose(images.load(tmp_path / "a.tif").rgb, expected, atol=0.012)


def test_palette_of_8_bits(tmp_path):
    """Some programs write it so; libtiff looks whether any entry is above 255."""
    samples = np.arange(H * W).reshape(H, W, 1).astype(np.uint8)
    colours = np.random.default_rng(0).integers(0, 256, (3, 256))
    tags = ((320, "H", colours.ravel().tolist()),)
    (tmp_path / "a.tif").write_bytes(tiff(samples, photometric=PALETTE, tags=tags))
    expected = colours.T[samples[..., 0]] / 255
    np.testing.assert_allclose(images.load(tmp_path / "a.tif").rgb, expected, atol=1e-6)


# Which picture of the file


def grey(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 1)).astype(np.uint8)


THUMBNAIL = ((254, "I", [1]),)
DNG = ((50706, "B", [1, 4, 0, 0]),)


@pytest.mark.parametrize("order", "<>")
def test_raw_of_a_camera(tmp_path, order):
    path = tmp_path / "a.dng"
    small, large = grey(16, 20), grey(80, 100)
    sensor = ((262, "H", [32803]),)
    for data in (
        tiff(small, large, order=order, tags=(*THUMBNAIL, *DNG), more_tags=sensor),
        tiff(small, large, order=order, tags=THUMBNAIL, more_tags=sensor),
        tiff(large, order=order, tags=sensor),
        tiff(large, order=order, tags=((262, "H", [34892]),)),
        as_sub_directory(tiff(small, large, order=order, tags=THUMBNAIL, more_tags=sensor), order),
        b"II*\0\x10\0\0\0CR\2\0" + bytes(4) + tiff(large)[8:],
        b"IIRO\x08\0\0\0" + bytes(200),
        b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(200),
        b"FUJIFILMCCD-RAW 0201FF" + bytes(200),
    ):
        path.write_bytes(data)
        with pytest.raises(ImageError, match="is a camera's raw file; develop it first"):
            images.load(path)


def as_sub_directory(data, order):
    """The second picture not behind the first one, but under it, as cameras have it."""
    content = bytearray(data)
    (count,) = struct.unpack_from(f"{order}H", content, 8)
    entries = [bytes(content[10 + 12 * n : 22 + 12 * n]) for n in range(count)]
    following = content[10 + 12 * count : 14 + 12 * count]
    sub = struct.pack(f"{order}HHI", 330, 4, 1) + following
    # In the place of the predictor, which is none: no entry may be added without moving values.
    tags = [struct.unpack_from(f"{order}H", entry)[0] for entry in entries]
    entries[tags.index(317)] = sub
    content[10 : 10 + 12 * count] = b"".join(entries)
    content[10 + 12 * count : 14 + 12 * count] = bytes(4)
    return bytes(content)


def test_thumbnail_first(tmp_path):
    path = tmp_path / "a.tif"
    small, large = grey(16, 20), grey(80, 100)
    data = tiff(small, large, tags=THUMBNAIL)
    for one in (data, as_sub_directory(data, "<"), tiff(small, large, tags=((255, "H", [2]),))):
        path.write_bytes(one)
        with pytest.raises(ImageError, match=r"its first picture \(20x16 pixels\) is a thumbnail"):
            images.load(path)
    path.write_bytes(tiff(large, small, tags=((254, "I", [4]),)))
    with pytest.raises(ImageError, match="its first picture is a mask"):
        images.load(path)
    path.write_bytes(tiff(small, tags=THUMBNAIL))  # there is no other one
    np.testing.assert_allclose(images.load(path).rgb[..., :1], small / 255, atol=1e-7)


def test_pages(tmp_path):
    path = tmp_path / "a.tif"
    small, large = grey(16, 20), grey(80, 100)
    for pages, tags, words in (
        ((small, large), (), r"the first \(20x16\) is used, not the largest \(100x80\)"),
        ((large, large), (), "has several frames or pages; the first is used"),
        ((large, small), THUMBNAIL, "has several frames or pages; the first is used"),
    ):
        path.write_bytes(tiff(*pages, more_tags=tags))
        with pytest.warns(MinimalstyleWarning, match=words) as caught:
            picture = images.load(path)
        assert len(caught) == 1
        np.testing.assert_allclose(picture.rgb[..., :1], pages[0] / 255, atol=1e-7)


def test_pages_of_a_big_tiff(tmp_path):
    """Pillow's own; its directories have numbers of 64 bits."""
    small, large = (Image.fromarray(grey(*size)[..., 0]) for size in ((16, 20), (80, 100)))
    small.save(tmp_path / "a.tif", save_all=True, append_images=[large], big_tiff=True)
    with pytest.warns(MinimalstyleWarning, match=r"\(20x16\) is used, not the largest \(100x80\)"):
        images.load(tmp_path / "a.tif")


def test_directories_that_lie(tmp_path):
    """Loops, lengths, offsets anywhere: our own errors only, and no time."""
    rng = np.random.default_rng(0)
    data = tiff(grey(16, 20), grey(80, 100), tags=(*THUMBNAIL, (330, "I", [8, 8, 8])))
    directory = slice(8, 8 + 2 + 12 * 20)
    for _ in range(120):
        content = bytearray(data)
        for place in rng.integers(directory.start, directory.stop, 2):
            content[place] = rng.integers(256)
        (tmp_path / "a.tif").write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                images.load(tmp_path / "a.tif")
            except ImageError as error:
                assert "\n" not in str(error)


def test_the_predictor_of_the_tests():
    row = np.array([[[5], [7], [4]]], np.uint8)
    np.testing.assert_array_equal(differences(row).ravel(), [5, 2, 253])
