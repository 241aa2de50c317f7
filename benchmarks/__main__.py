"""`python -m benchmarks [NAME …]`: runs offline against the sandbox, prints and notes the results.

Every number is a median; ratios are taken round by round. A whole run, all benchmarks and three
rounds or more, also rewrites the table in docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import os
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from .measure import Result, Run, Target, typical

NAMES = ("unthrottled", "paced", "settled", "large")
PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
COLUMNS = ("", "wall s", "CPU s", "peak MiB", "requests", "429s", "sandbox busy")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--runs", type=int, default=3, help="rounds; the median counts")
    parser.add_argument("--quick", action="store_true", help="one round of a small one; no proof")
    given = parser.parse_args()
    if strange := [name for name in given.names if name not in NAMES]:
        parser.error(f"no such benchmark: {', '.join(strange)}")
    wanted = given.names or NAMES
    results = []
    for name in wanted:
        result: Result = import_module(f".{name}", __package__).run(
            1 if given.quick else given.runs, quick=given.quick
        )
        print("\n".join(_told(result)), flush=True)
        results.append(result)
    if set(wanted) == set(NAMES) and given.runs >= 3 and not given.quick:
        _note(results)


def _told(result: Result) -> list[str]:
    lines = [f"\n{result.title}", "{:24}{:>9}{:>9}{:>10}{:>10}{:>7}{:>14}".format(*COLUMNS)]
    for name, runs in result.rounds.items():
        lines.append("{:24}{:>9}{:>9}{:>10}{:>10}{:>7}{:>14}".format(name, *_cells(runs)))
    lines += [f"  {'met   ' if t.met else 'MISSED'}  {_words(t)}" for t in result.targets]
    return lines + [f"          {remark}" for remark in result.remarks]


def _cells(runs: list[Run]) -> tuple[str, ...]:
    return (
        f"{typical(runs):.2f}",
        f"{typical(runs, lambda run: run.cpu):.2f}",
        f"{typical(runs, lambda run: run.peak_mib):.0f}",
        f"{typical(runs, lambda run: run.requests):,.0f}",
        f"{typical(runs, lambda run: run.refused):.0f}",
        f"{typical(runs, lambda run: run.sandbox_cpu / run.wall):.0%}",
    )


def _words(target: Target) -> str:
    sign = "≥" if target.at_least else "≤"
    return f"{target.what}: {target.value:.3g} {target.unit} ({sign} {target.limit:g})"


def _note(results: list[Result]) -> None:
    """Put the results between the page's two marks."""
    lines = [f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores.", ""]
    lines += ["| | measured | target | |", "|---|---|---|---|"]
    for result in results:
        for target in result.targets:
            sign = "≥" if target.at_least else "≤"
            lines.append(
                f"| {result.title}: {target.what} | {target.value:.3g} {target.unit} "
                f"| {sign} {target.limit:g} | {'met' if target.met else 'missed'} |"
            )
    for result in results:
        lines += ["", f"**{result.title}**", "", "| " + " | ".join(COLUMNS) + " |"]
        lines.append("|---|" + "---:|" * (len(COLUMNS) - 1))
        lines += [
            f"| {n} | " + " | ".join(_cells(runs)) + " |" for n, runs in result.rounds.items()
        ]
        lines += ["", *(f"{remark[0].upper()}{remark[1:]}." for remark in result.remarks)]
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text("\n".join([before + BEGIN, *lines, END + after]))


if __name__ == "__main__":
    main()
