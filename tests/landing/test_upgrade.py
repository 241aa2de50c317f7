"""A landing store with other columns than declared is upgraded, and no value is lost."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from pipelines.landing import upgrade
from pipelines.warehouse.catalog import at_once
from sandbox import Sandbox
from sources.klipit.tables import JOBS
from sources.shared.tables import Table
from tests.support.clipmart import Clipmart


@contextmanager
def declared(table: Table, **kinds: str | None) -> Iterator[None]:
    """Another version of clipmart, which declares these columns of a table so; None: not at all."""
    places: tuple[dict[str, Any], ...] = tuple(
        cast(dict[str, Any], place) for place in (table.documented, table.columns)
    )
    before = [dict(place) for place in places]
    for column, kind in kinds.items():
        for place, value in zip(places, ((kind, "A column."), kind), strict=True):
            if kind is None:
                place.pop(column)
            else:
                place[column] = value
    try:
        yield
    finally:
        for place, saved in zip(places, before, strict=True):
            place.clear()
            place.update(saved)


def landed_before(clipmart: Clipmart, sandbox: Sandbox, fields: Mapping[str, Any]) -> None:
    """A sync of two jobs; the first one has these fields."""
    sandbox.add_job("job_1", status="clipping", **fields)
    sandbox.add_job("job_2", status="clipping")
    clipmart("track", "klipit", "job_1", "job_2")
    assert clipmart("sync", "klipit").code == 0


def synced_again(clipmart: Clipmart, sandbox: Sandbox) -> str:
    """What a sync that lands the second job again says."""
    sandbox.update_job("job_2", status="failed")
    done = clipmart("sync", "klipit", "--refresh", "job_2")
    assert done.code == 0, done.err
    return done.err


def killed_before(change: int, clipmart: Clipmart) -> bool:
    """Whether a sync was ended before its change of this number, or had fewer to make."""
    left = iter(range(change, -1, -1))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(upgrade, "at_once", lambda *a: at_once(*a) if next(left) else 1 / 0)
        try:
            return clipmart("sync", "klipit").code != 0
        except ZeroDivisionError:
            return True


def column(clipmart: Clipmart, name: str) -> list[Any]:
    """The column's type, then its values by id."""
    ((kind,),) = clipmart.landed(
        f"""SELECT data_type FROM duckdb_columns()
            WHERE schema_name = 'klipit' AND table_name = 'jobs' AND column_name = '{name}'"""
    )
    return [kind, *(v for (v,) in clipmart.landed(f"SELECT {name} FROM klipit.jobs ORDER BY id"))]


def test_a_column_declared_as_another_type_is_converted(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """The next sync converts it, says so and lands further rows; the one after it does nothing."""
    with declared(JOBS, clip_count="text"):
        landed_before(landing_only, sandbox, {"clip_count": "3"})

    said = synced_again(landing_only, sandbox)

    assert "klipit.jobs.clip_count is BIGINT now and was VARCHAR: 1 value was converted" in said
    assert column(landing_only, "clip_count") == ["BIGINT", 3, None]
    assert "klipit.jobs" not in synced_again(landing_only, sandbox)
    assert landing_only("recover").out == "Nothing is damaged; nothing was changed.\n"


def test_undocumented_columns_take_the_type_that_a_version_declares(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """Numbers, text, lists and truth, in the same letters or in others."""
    fields = {"likes": 3, "aired_at": "2026-04-01T10:00:00.5+01:00", "Mood": "calm"}
    landed_before(landing_only, sandbox, {**fields, "tags": ["ü"], "is_live": True})

    kinds = {"likes": "bigint", "aired_at": "timestamp", "mood": "text", "is_live": "bool"}
    with declared(JOBS, **kinds, tags="text"):
        synced_again(landing_only, sandbox)

    at = datetime(2026, 4, 1, 9, 0, 0, 500_000, UTC)
    assert column(landing_only, "likes") == ["BIGINT", 3, None]
    assert column(landing_only, "aired_at") == ["TIMESTAMP WITH TIME ZONE", at, None]
    assert column(landing_only, "mood") == ["VARCHAR", "calm", None]
    assert column(landing_only, "tags") == ["VARCHAR", '["ü"]', None]
    assert column(landing_only, "is_live") == ["BOOLEAN", True, None]


def test_a_value_that_does_not_fit_is_saved(sandbox: Sandbox, landing_only: Clipmart) -> None:
    """It is NULL in its row, and in rejected_records as the API sent it."""
    values = {"likes": 2.5, "length": "about an hour", "aired_at": {"day": "today"}, "views": True}
    landed_before(landing_only, sandbox, values)

    with declared(JOBS, likes="bigint", length="double", aired_at="timestamp", views="bigint"):
        said = synced_again(landing_only, sandbox)

    assert "klipit.jobs.likes is BIGINT now and was DOUBLE: 0 values were converted. 1 did" in said
    assert column(landing_only, "likes") == ["BIGINT", None, None]
    saved = landing_only.landed("SELECT id, reason, payload FROM clipmart.rejected_records")
    assert {(id_, reason) for id_, reason, _ in saved} == {("job_1", "field")}
    payloads = [json.loads(payload) for _, _, payload in saved]
    assert {payload["column"]: payload["value"] for payload in payloads} == values


def test_a_key_that_does_not_fit_changes_nothing(sandbox: Sandbox, landing_only: Clipmart) -> None:
    """A key cannot be NULL: the sync ends with 3 before it requests anything."""
    landed_before(landing_only, sandbox, {})
    requests = len(sandbox.requests)

    with declared(JOBS, id="bigint"):
        refused = landing_only("sync", "klipit")

    assert refused.code == 3
    assert "klipit.jobs.id holds 2 values that are not BIGINT" in refused.err
    assert len(sandbox.requests) == requests
    assert column(landing_only, "id") == ["VARCHAR", "job_1", "job_2"]


def test_a_column_that_is_no_longer_declared_stays(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """It goes on landing as an undocumented number or text; nothing that had landed is lost."""
    with declared(JOBS, likes="bigint", aired_at="timestamp"):
        fields = {"likes": 3, "aired_at": "2026-04-08T11:00:00Z"}
        landed_before(landing_only, sandbox, fields)

    sandbox.update_job("job_2", likes=2.5, aired_at="noon")
    synced_again(landing_only, sandbox)

    assert column(landing_only, "likes") == ["DOUBLE", 3.0, 2.5]
    assert column(landing_only, "aired_at") == ["VARCHAR", "2026-04-08 11:00:00+00", "noon"]


def test_a_new_column_is_there_before_anything_lands(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """A query that needs it works, and the next load fills it."""
    landed_before(landing_only, sandbox, {})

    with declared(JOBS, weight="double"):
        assert landing_only("sync", "clipus").code == 0
        assert column(landing_only, "weight") == ["DOUBLE", None, None]
        sandbox.update_job("job_2", weight=1.5)
        synced_again(landing_only, sandbox)

    assert column(landing_only, "weight") == ["DOUBLE", None, 1.5]


def test_an_upgrade_that_is_killed_anywhere_is_finished_by_a_later_sync(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """Before its first change, then before its second, and so on: each value is saved once."""
    with declared(JOBS, clip_count="text"):
        landed_before(landing_only, sandbox, {"clip_count": "about three"})

    kills = 0
    while killed_before(kills, landing_only):
        kills += 1

    assert kills > 2
    assert column(landing_only, "clip_count") == ["BIGINT", None, None]
    assert landing_only.landed("SELECT count(*) FROM clipmart.rejected_records") == [(1,)]


def test_publish_upgrades_too(sandbox: Sandbox, prepared: Clipmart) -> None:
    """An older store can be published before its first sync."""
    with declared(JOBS, clip_count="double"), pytest.MonkeyPatch.context() as patched:
        patched.setattr("pipelines.warehouse.publish.publish", lambda *_, **_named: True)
        landed_before(prepared, sandbox, {"clip_count": 3})

    assert prepared("publish").code == 0
    assert prepared.rows("SELECT clip_count FROM klipit.jobs ORDER BY id") == [(3,), (None,)]
