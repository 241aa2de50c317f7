"""The rows of a damaged SQLite file, read from its pages one by one.

SQLite reaches a row through the file's header, its schema and the pages above the row; if one of
those is damaged it returns none. Here each page is read by itself, so a row is lost only with the
page that holds it. Source: https://sqlite.org/fileformat2.html
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TABLE_LEAF, _INDEX_LEAF, _INDEX_INTERIOR = 13, 10, 2
_WAL_HEADER, _FRAME_HEADER = 32, 24
_HEADER_LENGTH = 100
_DEFAULT_PAGE_SIZE = 4096
_INTEGER_BYTES = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}


@dataclass(frozen=True)
class Entry:
    """A row of a table, or an entry of an index, whose last value is the number of its row."""

    rowid: int | None
    """None for an entry of an index."""
    values: tuple[Any, ...]


def entries(path: Path) -> Iterator[Entry]:
    """Everything that can be read; the pages of the -wal file, which are newer, come last.

    A page that SQLite no longer uses may repeat rows, so the caller must merge rows by their keys.
    """
    file = path.read_bytes()
    size = _page_size(file)
    pages = {
        number + 1: file[at : at + size] for number, at in enumerate(range(0, len(file), size))
    }
    for number, page in pages.items():
        yield from _entries(page, _HEADER_LENGTH if number == 1 else 0, pages, size)
    log = path.with_name(path.name + "-wal")
    if log.exists():
        frames = dict(_committed(log.read_bytes(), size))
        for number, page in frames.items():
            yield from _entries(page, _HEADER_LENGTH if number == 1 else 0, pages | frames, size)


def _page_size(file: bytes) -> int:
    (size,) = struct.unpack(">H", file[16:18]) if len(file) >= 18 else (0,)
    known = file.startswith(b"SQLite format 3\0") and size >= 512 and size & (size - 1) == 0
    return size if known else _DEFAULT_PAGE_SIZE


def _committed(log: bytes, size: int) -> Iterator[tuple[int, bytes]]:
    """The pages of whole transactions in a -wal file, the latest last."""
    waiting = []
    for at in range(_WAL_HEADER, len(log) - size, size + _FRAME_HEADER):
        number, pages_after_commit = struct.unpack(">II", log[at : at + 8])
        if log[at + 8 : at + 16] != log[16:24]:  # a frame of an earlier log
            return
        waiting.append((number, log[at + _FRAME_HEADER : at + _FRAME_HEADER + size]))
        if pages_after_commit:
            yield from waiting
            waiting = []


def _entries(page: bytes, start: int, pages: dict[int, bytes], size: int) -> Iterator[Entry]:
    if len(page) < size:
        return
    kind = page[start]
    if kind not in (_TABLE_LEAF, _INDEX_LEAF, _INDEX_INTERIOR):
        return
    (cells,) = struct.unpack(">H", page[start + 3 : start + 5])
    first = start + (12 if kind == _INDEX_INTERIOR else 8)
    for pointer in range(first, min(first + 2 * cells, size - 1), 2):
        try:
            (at,) = struct.unpack(">H", page[pointer : pointer + 2])
            yield _entry(page, at, kind, pages, size)
        except (IndexError, KeyError, ValueError, struct.error):
            continue  # this row is damaged; the others of the page may not be


def _entry(page: bytes, at: int, kind: int, pages: dict[int, bytes], size: int) -> Entry:
    if kind == _INDEX_INTERIOR:
        at += 4  # the number of the page below
    length, at = _varint(page, at)
    rowid = None
    if kind == _TABLE_LEAF:
        rowid, at = _varint(page, at)
    return Entry(rowid, _record(_payload(page, at, length, kind, pages, size)))


def _payload(
    page: bytes, at: int, length: int, kind: int, pages: dict[int, bytes], size: int
) -> bytes:
    """A row's bytes, those on overflow pages too."""
    most = size - 35 if kind == _TABLE_LEAF else (size - 12) * 64 // 255 - 23
    if length <= most:
        payload = page[at : at + length]
    else:
        least = (size - 12) * 32 // 255 - 23
        local = least + (length - least) % (size - 4)
        local = local if local <= most else least
        payload = page[at : at + local]
        (following,) = struct.unpack(">I", page[at + local : at + local + 4])
        while len(payload) < length:
            overflow = pages[following]
            (following,) = struct.unpack(">I", overflow[:4])
            payload += overflow[4 : 4 + length - len(payload)]
    if len(payload) != length:
        raise ValueError("cut short")
    return payload


def _record(payload: bytes) -> tuple[Any, ...]:
    header, at = _varint(payload, 0)
    kinds = []
    while at < header:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    values: list[Any] = []
    for kind in kinds:
        if kind == 0:
            values.append(None)
        elif kind in (8, 9):
            values.append(kind - 8)
        elif kind == 7:
            values.append(struct.unpack(">d", payload[at : at + 8])[0])
            at += 8
        elif kind in _INTEGER_BYTES:
            length = _INTEGER_BYTES[kind]
            values.append(int.from_bytes(payload[at : at + length], "big", signed=True))
            at += length
        else:
            length = (kind - 12) // 2
            if length < 0 or at + length > len(payload):
                raise ValueError("cut short")
            value = payload[at : at + length]
            values.append(value.decode() if kind % 2 else value)
            at += length
    return tuple(values)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for length in range(1, 10):
        byte = data[at + length - 1]
        if length == 9:
            return (value << 8) | byte, at + 9
        value = (value << 7) | (byte & 0x7F)
        if byte < 0x80:
            return value, at + length
    raise ValueError("no number")
