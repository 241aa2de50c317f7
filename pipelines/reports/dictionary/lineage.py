"""The lineage graph, laid out in columns from left to right.

A table is to the right of everything it reads. An edge that passes a column takes a place in it, so
that no line runs behind a name. The order within a column puts each place near its neighbours.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from statistics import mean
from typing import NamedTuple

ROW, LANE = 30, 7  # pixels from a name to the next, and from a passing line to the next
GAP, CHARACTER, MARGIN = 64, 7.3, 12  # between columns, of a letter, and on both sides of a name
Edge = tuple[str, str]
"""A table, and one that reads it."""


class Place(NamedTuple):
    """Where a name is, or an edge (`source>reader`) passes."""

    name: str
    column: int


@dataclass(frozen=True)
class Box:
    """A name's place: its left edge and its middle, in pixels."""

    name: str
    x: float
    y: float
    width: float


@dataclass(frozen=True)
class Drawing:
    """Boxes, and the path of each edge's line (SVG's `d`); pixels."""

    width: float
    height: float
    boxes: dict[str, Box]
    paths: dict[Edge, str]
    columns: tuple[float, ...]
    """Where each column begins."""


def draw(
    reads: Mapping[str, Collection[str]], labels: Mapping[str, str], last: Collection[str]
) -> Drawing:
    """Lay the graph out.

    Args:
        reads: what each name is built from, by name; without circles.
        labels: what is written for each name.
        last: names that go into the last column if nothing is built from them.
    """
    column = columns_of(reads, last)
    routes = {
        (source, reader): _route(source, reader, column)
        for reader, sources in reads.items()
        for source in sources
    }
    order = _ordered(column, routes)
    y = _heights(order, routes, labels)
    width = {name: len(label) * CHARACTER + 2 * MARGIN for name, label in labels.items()}
    widths = [max(width.get(place.name, 0) for place in places) for places in order]
    begins = [sum(widths[:i]) + GAP * i for i in range(len(widths))]
    boxes = {
        name: Box(name, begins[i], y[Place(name, i)], width[name]) for name, i in column.items()
    }
    paths = {}
    for edge, route in routes.items():
        x = begins[route[0].column]
        path = f"M{x + width[edge[0]]:.0f} {y[route[0]]:.0f}"
        x += widths[route[0].column]
        path += f"H{x:.0f}"
        for here, to in itertools.pairwise(route):
            path += _curve(x, y[here], begins[to.column], y[to])
            x = begins[to.column]
            if to.name != edge[1]:
                x += widths[to.column]
                path += f"H{x:.0f}"
        paths[edge] = path
    bottom = max(y.values()) + ROW / 2
    return Drawing(begins[-1] + widths[-1], bottom, boxes, paths, tuple(begins))


def columns_of(reads: Mapping[str, Collection[str]], last: Collection[str]) -> dict[str, int]:
    """The column of each name: 0 if it reads nothing, else right of all that it reads."""
    column: dict[str, int] = {}

    def place(name: str) -> int:
        if name not in column:
            column[name] = 1 + max(map(place, reads[name]), default=-1)
        return column[name]

    for name in reads:
        place(name)
    read = {name for sources in reads.values() for name in sources}
    return column | dict.fromkeys(set(last) - read, max(column.values()))


def _route(source: str, reader: str, column: Mapping[str, int]) -> list[Place]:
    begin, end = column[source], column[reader]
    passed = [Place(f"{source}>{reader}", i) for i in range(begin + 1, end)]
    return [Place(source, begin), *passed, Place(reader, end)]


def _ordered(column: Mapping[str, int], routes: Mapping[Edge, list[Place]]) -> list[list[Place]]:
    """The places of each column, from top to bottom, with few crossings.

    Column by column, to the right and back, each is sorted by the mean rank of its neighbours.
    """
    places = {Place(name, i): None for name, i in column.items()}  # a set in order
    places |= {place: None for route in routes.values() for place in route}
    order = [[p for p in places if p.column == i] for i in range(max(column.values()) + 1)]
    best = order
    for sweep in range(12):
        order = [list(column) for column in order]
        neighbour = -1 if sweep % 2 == 0 else 1
        inner = range(len(order)) if neighbour < 0 else reversed(range(len(order)))
        for i in [i for i in inner if 0 <= i + neighbour < len(order)]:
            rank: dict[Place, float] = {p: at for at, p in enumerate(order[i + neighbour])}
            near = _neighbours(routes, rank)
            wanted = {p: mean(near.get(p, [at])) for at, p in enumerate(order[i])}
            order[i].sort(key=wanted.__getitem__)
        if _crossings(order, routes) < _crossings(best, routes):
            best = order
    return best


def _neighbours(
    routes: Mapping[Edge, list[Place]], value: Mapping[Place, float]
) -> dict[Place, list[float]]:
    """Of each place the values of those next to it that have one."""
    near: dict[Place, list[float]] = {}
    for route in routes.values():
        for left, right in itertools.pairwise(route):
            if left in value:
                near.setdefault(right, []).append(value[left])
            if right in value:
                near.setdefault(left, []).append(value[right])
    return near


def _crossings(order: list[list[Place]], routes: Mapping[Edge, list[Place]]) -> int:
    rank = {place: at for places in order for at, place in enumerate(places)}
    steps: dict[int, list[tuple[int, int]]] = {}
    for route in routes.values():
        for left, right in itertools.pairwise(route):
            steps.setdefault(left.column, []).append((rank[left], rank[right]))
    return sum(
        (a - c) * (b - d) < 0
        for pairs in steps.values()
        for n, (a, b) in enumerate(pairs)
        for c, d in pairs[n + 1 :]
    )


def _heights(
    order: list[list[Place]], routes: Mapping[Edge, list[Place]], labels: Collection[str]
) -> dict[Place, float]:
    """How far down each place is: in the same order, far enough apart, and near its neighbours."""
    room = {p: ROW if p.name in labels else LANE for places in order for p in places}
    y: dict[Place, float] = {}
    for places in order:
        y |= _apart(places, dict.fromkeys(places, 0.0), room)
    for _ in range(40):
        for places in order:
            near = _neighbours(routes, y)
            y |= _apart(places, {p: mean(near.get(p, [y[p]])) for p in places}, room)
    top = min(at - room[place] / 2 for place, at in y.items())
    return {place: at - top for place, at in y.items()}


def _apart(
    places: list[Place], wanted: Mapping[Place, float], room: Mapping[Place, float]
) -> dict[Place, float]:
    """The wanted heights, moved as little as order and space allow.

    What would overlap becomes one block, whose middle is where its members want it on average.
    """
    blocks: list[tuple[list[Place], float]] = []  # members, and the top of the block
    for place in places:
        members, top = [place], wanted[place] - room[place] / 2
        while blocks and blocks[-1][1] + sum(room[p] for p in blocks[-1][0]) > top:
            members = blocks.pop()[0] + members
            tops, above = [], 0.0
            for member in members:
                tops.append(wanted[member] - room[member] / 2 - above)
                above += room[member]
            top = mean(tops)
        blocks.append((members, top))
    y = {}
    for members, top in blocks:
        upper = top
        for member in members:
            y[member] = upper + room[member] / 2
            upper += room[member]
    return y


def _curve(x: float, y: float, to_x: float, to_y: float) -> str:
    middle = (x + to_x) / 2
    return f"C{middle:.0f} {y:.0f} {middle:.0f} {to_y:.0f} {to_x:.0f} {to_y:.0f}"
