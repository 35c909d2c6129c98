"""The studio: a page on this computer for people who never open a terminal.

`listening` opens it, `server` answers it, `guard` decides who may ask, `uploads` what may be sent;
`desk` keeps photographs, paintings and works, all of them bounded, and checks `wishes`; a `painter`
drives a process that paints, the `worker`.
"""
