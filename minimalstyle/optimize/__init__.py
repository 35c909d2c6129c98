"""L-BFGS-B over an image, in cosine coefficients. Knows nothing of what is minimised."""
