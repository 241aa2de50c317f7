"""The process `clipmart`, or `python -m pipelines`: obeys signals before it imports the rest."""

import sys

from pipelines import stop


def run() -> None:
    """Install the signal handlers, then run the command line."""
    if sys.platform == "win32":
        from pipelines.output import say

        say(
            "clipmart: On Windows the commands run in WSL: its locks and signals are POSIX's. "
            "Nothing was done. Run `wsl --install`, then install clipmart in there."
        )
        raise SystemExit(3)
    stop.install()
    from pipelines.cli import run as run_command

    run_command()


if __name__ == "__main__":
    run()
