"""A small matrix product in vector registers: all that is heavy here comes down to it."""

from .jit import kernel
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


@kernel
def multiply_panel(a, panel, c, c_row, rows, depth):
    """`C = A B` for the `COLUMNS` columns of B that lie in a panel, in whole blocks of `ROWS` rows.

    The panel behind it in memory is asked for meanwhile, a part with each block of rows: it is
    what will be multiplied next, and without that the product waits for it up to 40 % of its time.

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
    step = -(-COLUMNS // blocks)  # of the next panel, with each column of A
    for block in range(blocks):
        of_a = address(a, block * ROWS * depth)
        ahead = address(panel, (COLUMNS + block * step) * depth)
        sums = zero_block()
        for k in range(depth):
            prefetch(ahead, k * step)
            sums = add_outer_product(sums, of_a, k, depth, panel, k * COLUMNS)
        store_block(address(c, block * ROWS * c_row), c_row, sums)
