"""A small matrix product in vector registers: all that is heavy here comes down to it."""

from .jit import kernel
from .simd import (
    BLOCK_ROWS,
    BLOCK_VECTORS,
    LANES,
    add_outer_product,
    load_block,
    store_block,
    zero_block,
)

__all__ = ["COLUMNS", "ROWS", "multiply"]

ROWS = BLOCK_ROWS
COLUMNS = BLOCK_VECTORS * LANES


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
    sums = load_block(c, c_row) if accumulate else zero_block()
    for k in range(depth):
        sums = add_outer_product(sums, a, k * a_column, a_row, b, k * b_row)
    store_block(c, c_row, sums)
