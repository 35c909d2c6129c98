"""A small matrix product in vector registers: all that is heavy here comes down to it."""

from .jit import helper
from .simd import (
    BLOCK_ROWS,
    BLOCK_VECTORS,
    LANES,
    add_outer_product,
    address,
    load_block,
    prefetch,
    store_block,
    zero_block,
)

__all__ = ["COLUMNS", "ROWS", "multiply", "multiply_panel"]

ROWS = BLOCK_ROWS
COLUMNS = BLOCK_VECTORS * LANES


@helper
def multiply(a, a_row, a_column, b, b_row, c, c_row, depth, accumulate, ahead, step):
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
    ahead, step : address, int
        What is needed soon: memory there is asked for, `step` values with each column of A. Without
        that, products of matrices that are not in the cache wait up to 40 % of their time.
    """
    sums = load_block(c, c_row) if accumulate else zero_block()
    for k in range(depth):
        prefetch(ahead, k * step)
        sums = add_outer_product(sums, a, k * a_column, a_row, b, k * b_row)
    store_block(c, c_row, sums)


@helper
def multiply_panel(a, panel, c, c_row, rows, depth):
    """`C = A B` for the `COLUMNS` columns of B that lie in a panel, in whole blocks of `ROWS` rows.

    The panel behind it in memory is taken to be what is needed next.

    Parameters
    ----------
    a : address of float32 values
        A[r, k] is `a[r * depth + k]`.
    panel : address of float32 values
        B[k, j] is `panel[k * COLUMNS + j]`.
    c : address of float32 values
        C[r, j] is `c[r * c_row + j]`.
    """
    blocks = -(-rows // ROWS)
    step = -(-COLUMNS // blocks)
    for block in range(blocks):
        of_a = address(a, block * ROWS * depth)
        of_c = address(c, block * ROWS * c_row)
        ahead = address(panel, (COLUMNS + block * step) * depth)
        multiply(of_a, depth, 1, panel, COLUMNS, of_c, c_row, depth, False, ahead, step)
