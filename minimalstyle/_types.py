"""Arrays by what is in them."""

import numpy as np
import numpy.typing as npt

__all__ = ["Float32", "Float64", "Floating"]

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Floating = npt.NDArray[np.floating]
