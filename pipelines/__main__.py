"""`python -m pipelines`: the command line without the installed script."""

from .cli import run

run()
