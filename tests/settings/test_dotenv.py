"""`.env`: what its lines mean to clipmart."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.settings import load_settings
from sources.shared.errors import FixConfiguration


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("KLIPIT_API_KEY=k1", "k1"),
        ("KLIPIT_API_KEY=k1 # the old one", "k1"),
        ('KLIPIT_API_KEY="k1" # the old one', "k1"),
        ("export KLIPIT_API_KEY = 'k1'  # the old one", "k1"),
        ("KLIPIT_API_KEY=k#1", "k#1"),
        ("KLIPIT_API_KEY='${HOME}'", "${HOME}"),
        ("KLIPIT_API_KEY= # none yet", None),
        ("# KLIPIT_API_KEY=k1", None),
        ("\ufeffKLIPIT_API_KEY=k1\r\nOTHER=2\r\n", "k1"),
    ],
)
def test_a_line_of_dotenv(tmp_path: Path, line: str, key: str | None) -> None:
    """Quotes, export, a comment after the value, Windows' byte order mark and line ends."""
    (tmp_path / ".env").write_bytes(line.encode())
    assert load_settings({}, tmp_path).api_key("klipit") == key


def test_a_quote_that_is_not_closed_is_named_by_its_line(tmp_path: Path) -> None:
    """It would swallow the lines below it, and their keys, without a word."""
    (tmp_path / ".env").write_text('A=1\nKLIPIT_API_KEY="k1\nCLIPUS_API_KEY="c1"\n')
    with pytest.raises(FixConfiguration, match=r"\.env, line 2: .*") as refused:
        load_settings({}, tmp_path)
    assert "k1" not in str(refused.value)
