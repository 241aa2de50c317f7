"""The process `clipmart`, or `python -m pipelines`: obeys signals before it imports the rest."""

from pipelines import stop


def run() -> None:
    """Install the signal handlers, then run the command line."""
    stop.install()
    from pipelines.cli import run as run_command

    run_command()


if __name__ == "__main__":
    run()
