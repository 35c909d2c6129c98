"""How many multiply-adds this machine does in a second when nothing else is in the way.

python benchmarks/peak.py
"""

import time

import common
import numpy as np

from minimalstyle.engine.jit import kernel
from minimalstyle.engine.simd import LANES, load, store
from minimalstyle.engine.threads import Threads

_CHAINS = 12  # independent sums, enough to hide the latency of a multiply-add
_STEPS = 200_000


@kernel
def _multiply_add(block, steps, x, y):
    """`steps` times s = a s + b in 12 vector registers; `y` keeps the compiler honest."""
    a, b = load(x, 0), load(x, LANES)
    s0, s1, s2, s3 = load(x, 0), load(x, 1), load(x, 2), load(x, 3)
    s4, s5, s6, s7 = load(x, 4), load(x, 5), load(x, 6), load(x, 7)
    s8, s9, s10, s11 = load(x, 8), load(x, 9), load(x, 10), load(x, 11)
    for _ in range(steps):
        s0, s1, s2, s3 = s0 * a + b, s1 * a + b, s2 * a + b, s3 * a + b
        s4, s5, s6, s7 = s4 * a + b, s5 * a + b, s6 * a + b, s7 * a + b
        s8, s9, s10, s11 = s8 * a + b, s9 * a + b, s10 * a + b, s11 * a + b
    total = s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + s10 + s11
    store(y, block * LANES, total)


def peak_flops(threads: int, *, rounds: int = 50, steps: int = _STEPS) -> float:
    """Largest float32 operations per second seen in `rounds`, two for each multiply-add."""
    blocks = 4 * threads
    x = np.linspace(0.1, 0.9, 4 * LANES, dtype=np.float32)
    y = np.empty(blocks * LANES, np.float32)
    pool = Threads(threads)
    pool.run(_multiply_add, blocks, 1, x, y)
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        pool.run(_multiply_add, blocks, steps, x, y)
        best = min(best, time.perf_counter() - start)
    return 2.0 * _CHAINS * LANES * steps * blocks / best


def main() -> None:
    """Print the peak for 1 thread up to all cores."""
    print(common.describe(common.machine()))
    for threads in range(1, common.cores() + 1):
        print(f"{threads} threads: {peak_flops(threads) / 1e9:.1f} GFLOP/s")


if __name__ == "__main__":
    main()
