"""The wheel without extras, away from the checkout, and who reads what it publishes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EVERY_VIEW = """
import sys, duckdb
con = duckdb.connect(sys.argv[1], read_only=True)
con.execute("SET TimeZone = 'UTC'")
names = con.execute("SELECT table_schema, table_name FROM information_schema.tables").fetchall()
for schema, name in names:
    con.execute(f'FROM "{schema}"."{name}"').fetchall()
print(len(names))
"""


@pytest.mark.soak
@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-latest.txt"])
def test_the_wheel_alone_runs_what_a_newcomer_tries(lock: str, tmp_path: Path) -> None:
    """An empty folder, an empty HOME, an environment of its own with the versions of a lock."""
    here, home, venv = tmp_path / "here", tmp_path / "home", tmp_path / "venv"
    here.mkdir()
    home.mkdir()
    environ = {"PATH": "/usr/bin:/bin", "HOME": str(home)}

    def run(*command: str | Path, environ: dict[str, str] | None = None, cwd: Path = here) -> str:
        done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    uv, python = Path(sys.executable).with_name("uv"), venv / "bin/python"
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path, cwd=ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    run(uv, "venv", "--python", sys.executable, venv)
    run(uv, "pip", "install", "--python", python, "--constraint", ROOT / lock, wheel)
    installed = run(uv, "pip", "freeze", "--python", python).lower()
    assert not re.search(r"^(sqlmesh|jupyter|ipykernel|psycopg)", installed, flags=re.M)

    def clipmart(*arguments: str) -> str:
        said = run(venv / "bin/clipmart", *arguments, environ=environ)
        assert str(ROOT) not in said
        return said

    assert f"{venv}/bin/clipmart track klipit JOB_ID" in clipmart("demo")
    assert (here / "data/demo/warehouse.duckdb").exists()
    environ["CLIPMART_DATA_DIR"] = "data/demo"
    clipmart("report", "--html", "page.html")
    assert "<h1" in (here / "page.html").read_text()
    clipmart("docs", "dictionary.html")
    assert f"{venv}/bin/clipmart sync" in clipmart("schedule", "cron").replace("'", "")
    assert "01_start_here.ipynb" in clipmart("notebooks", "pages")
    jobs = clipmart("query", "SELECT count(*) FROM klipit.jobs", "--format", "csv")
    assert 30 < int(jobs.splitlines()[1]) < 60  # a month of use
    assert [path.name for path in home.iterdir()] == []

    for version in ("1.1.3", "1.4.4", "1.5.5"):
        older = tmp_path / version
        run(uv, "venv", "--python", sys.executable, older)
        run(uv, "pip", "install", "--python", older / "bin/python", f"duckdb=={version}", "pytz")
        answered = run(older / "bin/python", "-c", EVERY_VIEW, here / "data/demo/warehouse.duckdb")
        assert int(answered) > 40, version
