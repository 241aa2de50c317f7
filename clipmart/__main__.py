"""`python -m clipmart`, the command."""

from pipelines.__main__ import run

if __name__ == "__main__":
    run()
