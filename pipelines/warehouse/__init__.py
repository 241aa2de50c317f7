"""The published file: connect and report for Python, build, publish, the compiled models, the lake.

It may import ledger and the ground modules.
"""

from __future__ import annotations

from .read import connect, report

__all__ = ["connect", "report"]
