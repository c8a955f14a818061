"""`python -m gateway` is `moorline`."""

from gateway.cli import main

main(prog_name="moorline")
