"""What options say in words."""

import argparse

import pytest

from minimalstyle.commands.options import bytes_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2G", 2 * 10**9), ("1.5G", 15 * 10**8), ("800M", 8 * 10**8), ("3GB", 3 * 10**9), ("5", 5)],
)
def test_bytes_in_words(text: str, expected: int) -> None:
    assert bytes_of(text) == expected


@pytest.mark.parametrize("text", ["", "G", "-2G", "2 G", "2g", "1e9", "nan"])
def test_no_bytes(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected a number of bytes"):
        bytes_of(text)
