"""JSON nested 600 deep, which Python reads and then cannot always write: never a traceback."""

from __future__ import annotations

from sandbox import Fault, Sandbox
from tests.support.clipmart import Clipmart

DEEP = "[" * 600 + "]" * 600


def test_an_answer_with_a_field_so_deep_lands_without_it(
    sandbox: Sandbox, landing_only: Clipmart
) -> None:
    """The job lands with the field that is 100 deep, and the other one is recorded as rejected."""
    fields = f'"deep": {DEEP}, "flat": {"[" * 100 + "]" * 100}'
    body = f'{{"id": "job_1", "status": "queued", {fields}}}'
    sandbox.add_job("job_2", clips=1)
    sandbox.faults.plan([Fault("answer", "/jobs/job_1", times=None, body=body)])
    landing_only("track", "klipit", "job_1", "job_2")
    done = landing_only("sync", "klipit")
    assert done.code == 0, done.err
    flat = landing_only.landed("SELECT json_valid(flat) FROM klipit.jobs ORDER BY id")
    assert flat == [(True,), (None,)]
    rejected = landing_only.landed("SELECT reason, payload FROM clipmart.rejected_records")
    assert rejected == [("field", '"nested too deeply"')]


def test_a_query_shows_such_json_as_text(synced: Clipmart) -> None:
    """An older store may hold it; shallower values stay JSON."""
    sql = f"SELECT '{DEEP}'::JSON AS deep, '[1]'::JSON AS flat"
    for format_ in ("json", "csv", "table", "markdown"):
        assert synced("query", sql, "--format", format_).code == 0
    (row,) = synced("query", sql, "--format", "json").json()["rows"]
    assert row == {"deep": DEEP, "flat": [1]}


def test_a_submission_with_such_an_answer_is_known(sandbox: Sandbox, clipmart: Clipmart) -> None:
    """The id is read, and so is the status, which ends the wait."""
    ended = f'{{"id": "job_1", "status": "complete", "clip_count": 2, "deep": {DEEP}}}'
    sandbox.faults.plan(
        [
            Fault("answer", "/jobs", "POST", body=f'{{"deep": {DEEP}, "id": "job_1"}}'),
            Fault("answer", "/jobs/*", body=ended),
        ]
    )
    done = clipmart("submit", "klipit", "--source-url", "https://a.example/", "--wait", "--json")
    assert (done.code, done.json()["job_id"], done.json()["status"]) == (0, "job_1", "complete")


def test_such_an_error_is_one_sentence(sandbox: Sandbox, clipmart: Clipmart) -> None:
    """For any refused request."""
    body = f'{{"error": {DEEP}}}'
    sandbox.faults.plan([Fault("answer", "/jobs", "POST", status=422, body=body)])
    done = clipmart("submit", "klipit", "--source-url", "https://a.example/")
    assert done.code == 1
    assert len(done.err.splitlines()) == 1
