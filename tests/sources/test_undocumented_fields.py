"""How undocumented fields become columns: which names are possible, how many, what is noted."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from sources.klipit.tables import CLIPS
from sources.shared.chunks import Chunk, Rejected
from sources.shared.drift import EXTRA, Drift
from sources.shared.values import BadRecord

NOW = datetime(2026, 4, 8, 12, tzinfo=UTC)


def chunk_of(*records: dict[str, Any], drift: Drift | None = None) -> Chunk:
    """A chunk of clips a, b, c … with these undocumented fields."""
    chunk = Chunk(drift or Drift())
    for letter, record in zip("abcdefgh", records, strict=False):
        chunk.add_record("klipit", CLIPS, {"id": letter, **record}, letter, NOW)
    return chunk


def notes(chunk: Chunk) -> list[Any]:
    return [note.payload for note in chunk.rejected if note.reason == "field"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "x ",
        "\u3000x",
        "a;b",
        "a\nb",
        "a\x00b",
        "a\x1bb",
        "\u202eb",
        "\ud800",
        "_dlt_load_id",
        "_Dlt_load_id",
        "_DLT_ID",
        "_Clipmart_removed",
        "Shareability_Score",
        "n" * 201,
    ],
)
def test_a_name_that_no_column_can_have_is_noted_and_its_row_lands(name: str) -> None:
    """The field's value is in the note; it gets no column."""
    chunk = chunk_of({name: 1.0})

    assert notes(chunk) == [{"column": name, "value": 1.0}]
    assert chunk.rows[CLIPS] == [{"id": "a"}]
    assert chunk.drift.columns(CLIPS) == {}


@pytest.mark.parametrize(
    ("first", "second"), [("views", "VIEWS"), ("s", "\u017f"), ("straße", "STRASSE")]
)
def test_names_that_case_folding_makes_equal_are_one_column(first: str, second: str) -> None:
    """In one record the second is noted; in another it fills the same column."""
    chunk = chunk_of({first: 1.0, second: 2.0}, {second: 3.0})

    assert chunk.rows[CLIPS] == [{"id": "a", first: 1.0}, {"id": "b", first: 3.0}]
    assert notes(chunk) == [{"column": second, "value": 2.0}]


def test_fields_beyond_the_limit_go_into_one_json_column_noted_once() -> None:
    """Two columns are allowed, so of four fields two land as columns and two in `extra`."""
    drift = Drift(max_columns=2)
    chunk = chunk_of({"a": 1, "b": 2, "c": 3, "d": [4]}, {"b": 5, "e": "six"}, drift=drift)

    first, second = chunk.rows[CLIPS]
    assert (first["a"], first["b"], json.loads(first[EXTRA])) == (1.0, 2.0, {"c": 3, "d": [4]})
    assert (second["b"], json.loads(second[EXTRA])) == (5.0, {"e": "six"})
    assert {r["payload"] for r in (r.row() for r in chunk.rejected)} == {
        '{"column": "extra", "columns": 2}'
    }
    assert len({r.row()["record_id"] for r in chunk.rejected}) == 1


def test_a_field_named_extra_is_part_of_the_json_column() -> None:
    """It does not replace the column."""
    (row,) = chunk_of({"Extra": 1}).rows[CLIPS]
    assert json.loads(row[EXTRA]) == {"Extra": 1}


def test_a_record_full_of_unfit_names_leaves_at_most_101_notes() -> None:
    """A hundred, and one that counts the rest."""
    chunk = chunk_of({f"{number};": number for number in range(3000)})

    assert len(notes(chunk)) == 101
    assert notes(chunk)[-1] == {"column": None, "more": 2900}


def test_a_value_nested_too_deeply_is_noted_without_an_error() -> None:
    """5,000 nested lists; the note is still a row, and the record's other fields land."""
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    chunk = chunk_of({"deep": deep, "views": 1})

    (note,) = [record.row() for record in chunk.rejected]
    assert note["reason"] == "field" and isinstance(json.loads(note["payload"]), str | dict)
    assert chunk.rows[CLIPS][0]["views"] == 1.0


@pytest.mark.parametrize("score", [1e15, -1e15, 10**400])
def test_a_documented_number_that_is_out_of_range_rejects_its_record(score: float) -> None:
    """Sums of such numbers would overflow; no score or length comes near."""
    with pytest.raises(BadRecord, match="shareability_score"):
        CLIPS.read({"id": "a", "shareability_score": score})


def test_any_payload_can_be_saved_with_its_rejection() -> None:
    """Half a surrogate pair in the payload or the id becomes a question mark."""
    row = Rejected("klipit", "clips", "\ud800", "field", {"x": "\udfff"}, NOW).row()
    assert (row["id"], json.loads(row["payload"])) == ("?", {"x": "?"})
