"""`python -m benchmarks [NAME …]`: runs offline against the sandbox and prints the results.

Every number is a median; ratios are calculated for each round. A run of all benchmarks with three
rounds or more also rewrites the tables in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path

from .latency import latency
from .measure import Result, Run, typical
from .millions import millions
from .paced import paced
from .settled import large, settled
from .unthrottled import unthrottled

BENCHMARKS = {run.__name__: run for run in (unthrottled, paced, latency, settled, large, millions)}
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
COLUMNS = ("", "wall s", "CPU s", "peak MiB", "requests", "429s", "sandbox busy")


def main() -> None:
    """Run the benchmarks named on the command line, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--runs", type=int, default=3, help="number of rounds; the median counts")
    parser.add_argument("--quick", action="store_true", help="one small round; proves nothing")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in BENCHMARKS]:
        parser.error(f"no such benchmark: {', '.join(unknown)}")
    wanted = given.names or list(BENCHMARKS)
    results = []
    for name in wanted:
        result = BENCHMARKS[name](1 if given.quick else given.runs, quick=given.quick)
        print("\n".join(_measured(result)), flush=True)
        results.append(result)
    print("\n".join(["", *_targets(results)]))
    if set(wanted) == set(BENCHMARKS) and given.runs >= 3 and not given.quick:
        _write_page(results)


def _measured(result: Result) -> list[str]:
    rows = [(name, *_cells(runs)) for name, runs in result.runs.items()]
    remark = ["", result.remark] if result.remark else []
    return ["", f"**{result.title}**", "", *_table(COLUMNS, rows), *remark]


def _cells(runs: list[Run]) -> tuple[str, ...]:
    return (
        f"{typical(runs):.2f}",
        f"{typical(runs, lambda run: run.cpu):.2f}",
        f"{typical(runs, lambda run: run.peak_mib):.0f}",
        f"{typical(runs, lambda run: run.requests):,.0f}",
        f"{typical(runs, lambda run: run.refused):.0f}",
        f"{typical(runs, lambda run: run.sandbox_cpu / run.wall):.0%}",
    )


def _targets(results: list[Result]) -> list[str]:
    rows: list[tuple[str, ...]] = [
        (
            f"{result.title}: {target.what}",
            f"{target.value:.3g} {target.unit}".strip(),
            f"{'≥' if target.at_least else '≤'} {target.limit:g}",
            "met" if target.met else "missed",
        )
        for result in results
        for target in result.targets
    ]
    return _table(("", "measured", "target", ""), rows)


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """A Markdown table that is readable as plain text."""
    rule = ("-", *("-:" for _ in columns[1:]))
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    rule = tuple(mark.rjust(width, "-") for mark, width in zip(rule, widths, strict=True))
    return [
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))} |"
        for row in (columns, rule, *rows)
    ]


def _write_page(results: list[Result]) -> None:
    """Write the results between the marks of docs/benchmarks.md."""
    lines = [f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores.", "", *_targets(results)]
    for result in results:
        lines += _measured(result)
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text("\n".join([before + BEGIN, *lines, END + after]))


if __name__ == "__main__":
    main()
