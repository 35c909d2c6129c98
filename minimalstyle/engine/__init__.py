"""The fast path: Numba kernels and their memory. Nothing in here knows what it is used for.

`simd` one vector register; `product` the small matrix product; `maps` feature maps in memory;
`winograd` 3x3 convolutions, by its `transforms`; `first_layer`, `pooling`; `taps` what losses need;
`variation` total variation; `threads` who computes which block; `jit` how kernels are compiled;
`cache` where they are kept.
"""
