"""CLIPMART_METRICS: the numbers that Prometheus' own parser reads after a sync."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipelines.ledger.lock import sync_lock
from sources.shared.values import instant
from tests.support.clipmart import NOW, Clipmart

NOON = 1775649600.0  # 2026-04-08T12:00:00Z
NOT_BASE_UNITS = re.compile(r"_(days|hours|minutes|ms|kb|mb|mib|kib|percent)(_|$)")


@pytest.fixture
def file(troubled: Clipmart) -> Path:
    troubled.environ["CLIPMART_METRICS"] = "data/metrics.prom"
    return troubled.data_dir / "metrics.prom"


def numbers(file: Path) -> dict[str, float]:
    """Each sample's value by its name and the value of its label."""
    return {
        " ".join([sample.name.removeprefix("clipmart_"), *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(file.read_text())
        for sample in family.samples
    }


def test_a_sync_leaves_what_it_did_and_what_status_reports(troubled: Clipmart, file: Path) -> None:
    """Counts that `conftest.fill` explains; what is not known, such as a receiver, is left out."""
    assert troubled("sync").code == 0
    values = numbers(file)

    expected = {
        "last_sync_timestamp_seconds": NOON,
        "last_sync_exit_code": 0,
        "last_sync_requests klipit": 1,  # the account: nothing else is due
        "last_sync_rejected klipit": 0,
        "last_sync_remaining clipus": 0,
        "known_ids klipit": 4,
        "known_ids clipus": 2,
        "open_ids klipit": 2,
        "due_ids klipit": 0,
        "stuck_ids klipit": 1,
        "stuck_ids clipus": 1,
        "failed_ids klipit": 0,
        "synced_timestamp_seconds klipit": NOON,
        "rejected_records": 1,
        "unknown_submissions": 1,
        "credits_balance": 50,
        "credits_left_seconds": 2 * 86_400,
        "published_timestamp_seconds": NOON,
        "check_level credits": 1,
        "check_level disk": 0,
    }
    assert {name: values.get(name) for name in expected} == expected
    assert 0 < values["last_sync_duration_seconds"] < 60
    assert values["disk_free_bytes"] > values["disk_stored_bytes"] > 1e5
    assert "receiver_up" not in values


def test_the_file_is_as_prometheus_recommends(troubled: Clipmart, file: Path) -> None:
    """Each metric once, a gauge in base units, with its meaning there and in docs/health.md.

    Other users may read the file.
    """
    troubled("sync")
    families = list(text_string_to_metric_families(file.read_text()))
    names = [family.name for family in families]
    assert len(set(names)) == len(names) >= 20
    for family in families:
        assert family.type == "gauge" and family.documentation.endswith("."), family.name
        assert re.fullmatch(r"clipmart_[a-z_]+", family.name)
        assert not NOT_BASE_UNITS.search(family.name)
        assert not family.name.endswith(("_total", "_count", "_sum", "_bucket", "_info"))
    assert file.stat().st_mode & 0o444 == 0o444
    page = (Path(__file__).parents[2] / "docs/health.md").read_text()
    assert {*names, "clipmart_receiver_up"} == set(re.findall(r"\bclipmart_[a-z_]+", page))
    assert [path.name for path in troubled.data_dir.iterdir() if "clipmart-" in path.name] == []


def test_a_sync_that_fails_says_so(troubled: Clipmart, file: Path) -> None:
    """With its exit code, at its time; another sync's numbers are not replaced by one that met it.

    A receiver that died is 0.
    """
    (troubled.data_dir / "state/receiver").write_text(
        '{"pid": 1, "since": "2026-04-08T11:00:00+00:00", "host": "127.0.0.1", "port": 8787}'
    )
    troubled.at("2026-04-08T13:00:00Z")
    for name in ("KLIPIT_API_KEY", "CLIPUS_API_KEY"):
        troubled.environ[name] = "refused"
    assert troubled("sync").code == 3
    values = numbers(file)
    assert (values["last_sync_exit_code"], values["receiver_up"]) == (3, 0)
    assert values["last_sync_timestamp_seconds"] == NOON + 3600
    assert values["check_level last sync"] == values["check_level receiver"] == 2
    before = file.read_bytes()
    with sync_lock(troubled.data_dir / "state/lock", instant(NOW)):
        assert troubled("sync").code == 75
    assert file.read_bytes() == before


def test_before_anything_is_published(clipmart: Clipmart) -> None:
    """A sync without any key leaves its own numbers, and those of the disk."""
    clipmart.environ["CLIPMART_METRICS"] = str(clipmart.folder / "early.prom")
    for name in ("KLIPIT_API_KEY", "CLIPUS_API_KEY"):
        del clipmart.environ[name]
    assert clipmart("sync").code == 3
    values = numbers(clipmart.folder / "early.prom")
    assert values["last_sync_exit_code"] == 3 and values["disk_free_bytes"] > 0
    assert "published_timestamp_seconds" not in values


def test_a_file_that_cannot_be_written_is_one_line(landing_only: Clipmart) -> None:
    """The sync ends as it would have ended; a dry run writes nothing."""
    landing_only.environ["CLIPMART_METRICS"] = "nowhere/metrics.prom"
    done = landing_only("sync")
    assert done.code == 0
    (line,) = [line for line in done.err.splitlines() if "CLIPMART_METRICS" in line]
    assert "nowhere/metrics.prom" in line
    landing_only.environ["CLIPMART_METRICS"] = "dry.prom"
    landing_only("sync", "--dry-run")
    assert not (landing_only.folder / "dry.prom").exists()


def test_a_name_that_no_collector_reads_is_refused(clipmart: Clipmart) -> None:
    """3, before anything is requested: it might be the published file."""
    clipmart.environ["CLIPMART_METRICS"] = "data/warehouse.duckdb"
    refused = clipmart("sync")
    assert refused.code == 3 and "CLIPMART_METRICS" in refused.err
