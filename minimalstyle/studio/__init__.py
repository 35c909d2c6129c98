"""The studio: a page on this computer for people who never open a terminal.

`server` answers the page, `guard` decides who may ask, `desk` keeps photographs, paintings and
works, all of them bounded, a `painter` drives a process that paints, `worker` is that process.
"""
