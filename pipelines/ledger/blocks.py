"""Blocks: events of one service and kind that have been published, compressed together.

An event in a block is whole, and a seventh of its size in `events`, whose indexes it does not need.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Sequence

EVENTS = 256
"""In a block: more hardly shrink it, and a damaged page loses as many."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS blocks (
  block_id TEXT PRIMARY KEY,
  service TEXT NOT NULL,
  kind TEXT NOT NULL,
  first_seq BIGINT NOT NULL,
  last_seq BIGINT NOT NULL,
  recorded_until TEXT NOT NULL,
  number BIGINT NOT NULL,
  events {bytes} NOT NULL
);
CREATE INDEX IF NOT EXISTS blocks_by_seq ON blocks (service, first_seq);
CREATE INDEX IF NOT EXISTS blocks_by_kind ON blocks (service, kind, last_seq, number);
"""
COLUMNS = "block_id, service, kind, first_seq, last_seq, recorded_until, number, events"

Packed = tuple[int, str, str | None, str, str]
"""seq, event_id, subject, body and recorded_at of an event, as they are in `events`."""


def pack(events: Sequence[Packed]) -> bytes:
    """The events as the bytes of a block; column by column, which compresses best."""
    return zlib.compress(json.dumps(list(zip(*events, strict=True))).encode())


def unpack(block: bytes) -> list[Packed]:
    """The events of a block.

    Raises:
        sqlite3.DatabaseError: it is damaged.
    """
    try:
        return list(zip(*json.loads(zlib.decompress(block)), strict=True))
    except (zlib.error, ValueError, TypeError) as error:
        raise sqlite3.DatabaseError("a block holds no events") from error
