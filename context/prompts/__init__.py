"""What models are told, as files: `NAME.vN.txt` here or in a folder of the operator's.

A new wording is a new file; an old one stays, so that a trace can say what was sent. What every
version of a prompt has to hold stands beside it, in `NAME.cases.toml`.
"""
