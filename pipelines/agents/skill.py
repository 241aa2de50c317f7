"""The generated parts of AGENTS.md and of the skill in `skills/clipmart`, from models and pages.

`make models`, or `python -m pipelines.agents.skill`, writes them.
"""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory

from pipelines.reports.dictionary.models import Relation, relations
from pipelines.settings import Settings

from .answers import markdown
from .decisions import decisions

SKILL = Path("skills", "clipmart")
_REPORTS = re.compile(r"(<!-- reports: `make models` writes them -->\n).*?(<!-- end -->)", re.S)
_LISTED = ("reports", "klipit", "clipus", "clipmart")  # staging is for the models
_WRITTEN = "Written by `make models`; do not edit.\n"


def generated(checkout: Path) -> dict[Path, str]:
    """The text of each file that is generated, at least in part, by its path in the checkout."""
    with TemporaryDirectory(prefix="clipmart-") as folder:
        known = relations(Settings(data_dir=Path(folder)))
    listed = [
        relation for schema in _LISTED for relation in known.values() if relation.schema == schema
    ]
    reports = _reports([relation for relation in listed if relation.schema == "reports"])
    return {
        **{
            path: _REPORTS.sub(
                lambda part: part[1] + reports + part[2], (checkout / path).read_text("utf-8")
            )
            for path in (Path("AGENTS.md"), SKILL / "SKILL.md")
        },
        SKILL / "references/tables.md": _page("Tables", "\n".join(map(markdown, listed))),
        SKILL / "references/definitions.md": _page("Definitions", "\n\n".join(decisions()) + "\n"),
        SKILL / "references/recipes.md": _page("Recipes", _recipes(checkout)),
    }


def _page(title: str, text: str) -> str:
    return f"# {title}\n\n{_WRITTEN}\n{text}"


def _reports(reports: list[Relation]) -> str:
    rows = [f"| `{r.table}` | {r.description} | {', '.join(r.key)} |\n" for r in reports]
    return "".join(["| report | what it says | key |\n|---|---|---|\n", *rows])


def _recipes(checkout: Path) -> str:
    """Each question of docs/sql-recipes.md with its SQL, without the demo's answer."""
    page = (checkout / "docs/sql-recipes.md").read_text("utf-8")
    recipes = re.findall(r"^(## .*\?)\n.*?(^```sql\n.*?^```\n)", page, flags=re.M | re.S)
    return "\n".join(f"{question}\n\n{sql}" for question, sql in recipes)


if __name__ == "__main__":
    root = Path(__file__).parents[2]
    for path, text in generated(root).items():
        (root / path).write_text(text, "utf-8")
