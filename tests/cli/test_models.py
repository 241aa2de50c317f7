"""`clipmart models` prints a script; what other engines make of it is in tests/warehouse."""

from __future__ import annotations

import duckdb
import pytest

from pipelines.warehouse.compiler import project
from pipelines.warehouse.dialects import translated
from tests.support.clipmart import NOW, Clipmart


def test_the_script_runs_as_printed(clipmart: Clipmart) -> None:
    """In DuckDB, twice, before anything is published: all models with comments, all audits."""
    clipmart.environ.pop("CLIPMART_NOW", None)
    printed = clipmart("models", "--audits")
    assert (printed.code, printed.err) == (0, "")
    with duckdb.connect() as con:
        con.execute(printed.out)
        con.execute(printed.out)
        commented = con.execute(
            """
            SELECT schema_name || '.' || view_name FROM duckdb_views() WHERE comment <> ''
            UNION ALL
            SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE comment <> ''
            """
        ).fetchall()
        audits = printed.out.split("-- audit: ")[1:]
        assert all(con.execute(f"-- {audit}").fetchall() == [] for audit in audits)
    assert {name for (name,) in commented} >= {relation.name for relation in project().relations}
    assert len(audits) == sum(len(model.audits) for model in project().models) > 0


@pytest.mark.parametrize("dialect", ["spark", "postgres"])
def test_the_clock_is_the_readers_or_is_written_down(clipmart: Clipmart, dialect: str) -> None:
    """No other dialect has DuckDB's variable; CLIPMART_NOW is in the statements instead."""
    clipmart.environ["CLIPMART_NOW"] = NOW
    pinned = clipmart("models", "--dialect", dialect).out
    del clipmart.environ["CLIPMART_NOW"]
    free = clipmart("models", "--dialect", dialect).out

    assert "GETVARIABLE" not in pinned + free
    assert "'2026-04-08T12:00:00+00:00'" in pinned and "CURRENT_TIMESTAMP" not in pinned
    assert "'2026-04-08T12:00:00+00:00'" not in free and "CURRENT_TIMESTAMP" in free


@pytest.mark.parametrize("dialect", ["spark", "postgres"])
def test_what_has_no_equal_is_refused(dialect: str) -> None:
    """Rather than translated to something that differs without a word."""
    silent = {"spark": "x AT TIME ZONE 'Asia/Tokyo'", "postgres": "TRY_CAST(x AS DOUBLE)"}
    with pytest.raises(ValueError, match=f"has no equal in {dialect}"):
        translated(f"SELECT {silent[dialect]} AS y FROM t", dialect)  # type: ignore[arg-type]
