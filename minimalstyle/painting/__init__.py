"""A run: from a job, through sizes from coarse to fine, to a picture. Knows no terminal."""
