"""Files to arrays and back: float32 RGB in [0, 1], sRGB, upright. Knows no network."""
