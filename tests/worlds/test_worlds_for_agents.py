"""What agents are answered, over every world: JSON that any language reads, nothing hidden."""

from __future__ import annotations

import json

import pytest

from pipelines.agents import answers
from pipelines.reports.render import as_json
from pipelines.reports.rows import Selection, read_report
from pipelines.settings import Settings
from pipelines.warehouse.read import open_published
from tests.support.clipmart import Clipmart
from tests.support.missing_words import UNSEEN, problems
from tests.support.worlds import NOW, worlds
from tests.worlds.test_worlds_as_text import strict_json

# With texts, numbers and columns like no other's; `make soak` reads the rest.
ODD = ("control_characters", "negative_and_huge_scores", "undocumented_fields")


@pytest.mark.parametrize("world", worlds(*ODD), indirect=True)
def test_every_tool_answers(world: Clipmart) -> None:
    """Reports as the command has them, records without links, and a status without hidden text."""
    settings = Settings(data_dir=world.data_dir, pinned_now=NOW)
    for listed in strict_json(answers.list_reports(settings)):
        name = listed["name"]
        text = answers.report(settings, name=name, limit=20)
        with open_published(settings) as con:
            expected = read_report(con, name, Selection(limit=20, links=False))
        assert not UNSEEN.search(text), name
        assert strict_json(text)[name] == json.loads(as_json([expected]))[name]
    for table in ("klipit.clips", "klipit.jobs", "clipmart.rejected_records"):
        text = answers.query(settings, sql=f"FROM {table}", limit=20)
        assert not UNSEEN.search(text) and '"media_url"' not in text
        strict_json(text)
        described = strict_json(answers.describe(settings, table=table))
        assert described["columns"]
    assert not problems(world, answers.status(settings))
    assert not UNSEEN.search(answers.dictionary(settings))
