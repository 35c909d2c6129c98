"""What a picture shall become, as a number with its gradient.

Knows moments of feature maps and where they come from; no files, no sizes, no settings' presets.
"""
