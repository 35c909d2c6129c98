"""The command line: options, terminal, files that are written. Knows no numerics."""
