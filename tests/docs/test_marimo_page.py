"""The marimo page of the docs runs, as a program and with another show chosen."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path
from statistics import fmean
from types import SimpleNamespace

import pytest

from pipelines.warehouse import connect
from tests.support.demo_run import DemoRun, clean_environment

pytestmark = pytest.mark.xdist_group("demo")  # another worker would only wait for it

PAGE = Path(__file__).parents[2] / "docs/marimo_page.py"


def test_the_page_runs_as_a_program(demo_run: DemoRun) -> None:
    """From another folder; it says which data it reads, and nothing else."""
    done = subprocess.run(
        [sys.executable, "-W", "error", PAGE],
        cwd=demo_run.folder,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("This page reads the demo's made-up data, published on ")


@pytest.mark.parametrize("show", [None, "Morning Margin", "a show without clips"])
def test_the_answer_follows_the_show(
    show: str | None, demo_run: DemoRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tenth of the episode with the best mean, computed from what the API answered."""
    monkeypatch.setenv("CLIPMART_DATA_DIR", str(demo_run.data_dir))
    tenths: dict[int, list[float]] = {}
    for name, start, length, score in (
        connect()
        .execute(
            """
        SELECT show_name, start_seconds, jobs.duration_seconds, shareability_score
        FROM klipit.clips AS clips
        INNER JOIN klipit.jobs AS jobs ON jobs.id = clips.job_id
        INNER JOIN klipit.submissions AS known ON known.job_id = clips.job_id
        """
        )
        .fetchall()
    ):
        if score is not None and show in (None, name):
            tenths.setdefault(int(10 * start / length), []).append(score)

    app = runpy.run_path(str(PAGE))["app"]
    _, names = app.run(defs={"show": SimpleNamespace(value=show)})

    if tenths:
        best = max(tenths, key=lambda tenth: fmean(tenths[tenth]))
        assert names["answer"].startswith(
            f"Clips that start between {best * 10} and {best * 10 + 10} % of the episode score "
            f"best: {fmean(tenths[best]):.1f} points on average. Clips: {len(tenths[best])}."
        )
    else:
        assert names["answer"].startswith("There is no scored clip")
