"""The published file: connect and report for Python, build, publish, the compiled models, the lake.

It may import ledger and the ground modules.
"""

from __future__ import annotations

import duckdb

from .supported import require

require(duckdb)

from .read import connect, report  # noqa: E402 - nothing is opened before the check

__all__ = ["connect", "report"]
