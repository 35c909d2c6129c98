"""A small matrix product in vector registers: all that is heavy here comes down to it."""

from .jit import kernel
from .simd import LANES, broadcast, load, store, zero

__all__ = ["COLUMNS", "ROWS", "multiply"]

# A block of ROWS x COLUMNS sums takes 12 vector registers; AVX2 has 16.
ROWS = 6
COLUMNS = 2 * LANES


# fmt: off
@kernel
def multiply(a, a_row, a_column, b, b_row, c, c_row, depth, accumulate):
    """`C = A B`, or `C += A B` with `accumulate`, for `ROWS` rows and `COLUMNS` columns of C.

    Parameters
    ----------
    a : address of float32 values
        A[r, k] is `a[r * a_row + k * a_column]`.
    b : address of float32 values
        B[k, j] is `b[k * b_row + j]`.
    c : address of float32 values
        C[r, j] is `c[r * c_row + j]`.
    depth : int
        Columns of A and rows of B.
    """
    s00 = zero(); s10 = zero(); s20 = zero(); s30 = zero(); s40 = zero(); s50 = zero()
    s01 = zero(); s11 = zero(); s21 = zero(); s31 = zero(); s41 = zero(); s51 = zero()
    if accumulate:
        s00 = load(c, 0 * c_row); s01 = load(c, 0 * c_row + LANES)
        s10 = load(c, 1 * c_row); s11 = load(c, 1 * c_row + LANES)
        s20 = load(c, 2 * c_row); s21 = load(c, 2 * c_row + LANES)
        s30 = load(c, 3 * c_row); s31 = load(c, 3 * c_row + LANES)
        s40 = load(c, 4 * c_row); s41 = load(c, 4 * c_row + LANES)
        s50 = load(c, 5 * c_row); s51 = load(c, 5 * c_row + LANES)
    for k in range(depth):
        b0 = load(b, k * b_row)
        b1 = load(b, k * b_row + LANES)
        i = k * a_column
        a0 = broadcast(a, 0 * a_row + i); s00 += a0 * b0; s01 += a0 * b1
        a1 = broadcast(a, 1 * a_row + i); s10 += a1 * b0; s11 += a1 * b1
        a2 = broadcast(a, 2 * a_row + i); s20 += a2 * b0; s21 += a2 * b1
        a3 = broadcast(a, 3 * a_row + i); s30 += a3 * b0; s31 += a3 * b1
        a4 = broadcast(a, 4 * a_row + i); s40 += a4 * b0; s41 += a4 * b1
        a5 = broadcast(a, 5 * a_row + i); s50 += a5 * b0; s51 += a5 * b1
    store(c, 0 * c_row, s00); store(c, 0 * c_row + LANES, s01)
    store(c, 1 * c_row, s10); store(c, 1 * c_row + LANES, s11)
    store(c, 2 * c_row, s20); store(c, 2 * c_row + LANES, s21)
    store(c, 3 * c_row, s30); store(c, 3 * c_row + LANES, s31)
    store(c, 4 * c_row, s40); store(c, 4 * c_row + LANES, s41)
    store(c, 5 * c_row, s50); store(c, 5 * c_row + LANES, s51)
# fmt: on
