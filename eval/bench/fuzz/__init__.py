"""Mutated documents against every parser: each must become a document or be refused with a reason.

`inputs` makes them, the same ones each time; `worker` feeds them to the parsers in a process of
its own, within limits; `run` watches over it and goes on where it was stopped.
"""
