"""A picture in, statistics of its feature maps out; gradients for them in, the pixels' out.

Knows the engine and the weights; losses see its moments, never a map.
"""
