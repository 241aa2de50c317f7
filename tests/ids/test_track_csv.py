"""What `track` reads: CSV as spreadsheets write it, and lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.clipmart import Clipmart

ROW = {
    "job_id": "job_1",
    "show_name": "Ton, laut",
    "guest_name": "Ada",
    "description": "",
    "platforms": "tiktok;reels",
    "source_url": "https://a.example/1",
    "submitted_at": "",
}


def known(clipmart: Clipmart, service: str = "klipit") -> list[dict[str, str]]:
    import csv

    return list(csv.DictReader(clipmart("ids", service).out.splitlines()))


@pytest.mark.parametrize(
    "text",
    [
        'job_id,show,guest,platforms,url\njob_1,"Ton, laut",Ada,"tiktok,reels",https://a.example/1',
        "job_id;show;guest;platforms;url\njob_1;Ton, laut;Ada;tiktok,reels;https://a.example/1",
        'Show_Name;Guest;ID;Platforms;URL\nTon, laut;Ada;job_1;"tiktok;reels";https://a.example/1',
        "\nid\tshow\tguest\tplatforms\turl\njob_1\tTon, laut\tAda\ttiktok;reels\thttps://a.example/1",
        "sep=;\r\nJob ID;Show name;Guest-name;Platforms;URL\r\n"
        "job_1;Ton, laut;Ada;tiktok,reels;https://a.example/1",
    ],
    ids=["comma", "semicolon", "quoted", "tab", "names with spaces"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_each_separator_and_alias_says_the_same(
    clipmart: Clipmart, tmp_path: Path, text: str, encoding: str
) -> None:
    """Excel writes semicolons in most of Europe, and UTF-16 with tabs as "Unicode text"."""
    (tmp_path / "jobs.csv").write_bytes(text.encode(encoding))
    assert clipmart("track", "klipit", "--from", "jobs.csv").code == 0
    assert known(clipmart) == [ROW]


def test_columns_that_are_not_used_are_listed(clipmart: Clipmart) -> None:
    """The more exact of two names for one field is used, the other one named."""
    text = "id;job_id;show;Duration\n7;job_1;Ton;12\n"
    done = clipmart("track", "klipit", "--from", "-", stdin=text)
    assert (done.code, done.out) == (0, "")
    assert "columns not used: id, duration\n" in done.err
    assert [row["job_id"] for row in known(clipmart)] == ["job_1"]


@pytest.mark.parametrize(
    ("text", "code", "ids"),
    [
        ("job_1\njob_2\n", 0, ["job_1", "job_2"]),
        ("id\njob_1\n", 0, ["job_1"]),
        ("id\n", 0, ["id"]),
        ("job_1;A\n", 0, ["job_1;A"]),
        ("show;guest\nTon;Ada\n", 2, []),
        ("job_1\tA\n", 2, []),
        ("job_1,A\n", 2, []),
        ("job_id;show\njob_1;A\n;B\n", 1, ["job_1"]),
    ],
)
def test_a_list_or_a_header_without_ids(
    clipmart: Clipmart, text: str, code: int, ids: list[str]
) -> None:
    """No judge of formats, but a header without the column of ids is not a list of ids."""
    done = clipmart("track", "klipit", "--from", "-", stdin=text)
    assert done.code == code
    assert [row["job_id"] for row in known(clipmart)] == ids
    assert ("semicolon" in done.err) is (ids == ["job_1;A"])


def test_a_refusal_below_a_separator_line_names_the_files_own_line(clipmart: Clipmart) -> None:
    """Excel's first line `sep=;` is not a row, but counts as a line of the file."""
    done = clipmart("track", "klipit", "--from", "-", stdin="sep=;\nJob ID;Show\njob 1;A\n")
    assert done.code == 1
    assert "refused: stdin line 3: job 1" in done.err


def test_another_encoding_says_how_to_save_it(clipmart: Clipmart, tmp_path: Path) -> None:
    """Excel's plain CSV is Windows-1252 in Europe."""
    (tmp_path / "jobs.csv").write_bytes("job_id;show\njob_1;Frühstück\n".encode("cp1252"))
    done = clipmart("track", "klipit", "--from", "jobs.csv")
    assert done.code == 2
    assert "CSV UTF-8" in done.err


def test_campaigns_too(clipmart: Clipmart) -> None:
    """With their own names."""
    text = "id;source_url;title;languages\nc-1;https://a.example/;Launch;en,ja\n"
    assert clipmart("track", "clipus", "--from", "-", stdin=text).code == 0
    assert known(clipmart, "clipus") == [
        {
            "campaign_id": "c-1",
            "url": "https://a.example/",
            "title": "Launch",
            "languages": "en;ja",
            "submitted_at": "",
        }
    ]
