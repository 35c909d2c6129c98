"""The median against SciPy's."""

import numpy as np
import pytest
from scipy.ndimage import median_filter

from minimalstyle.pictures.median import median


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 9, 1), (64, 3, 3), (65, 2, 1), (129, 17, 3)])
@pytest.mark.parametrize("values", [3, 1 << 24])
def test_median(shape, values, rng):
    """Also where many values are equal."""
    image = (rng.integers(0, values, shape) / values).astype(np.float32)
    expected = median_filter(image, (3, 3, 1), mode="nearest")
    found = median(image)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
