"""The data dictionary: one page of HTML with every table, column, unit, meaning and the lineage.

It describes the published file, or an empty one if nothing is published yet. The page requests
nothing from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
from importlib import metadata
from pathlib import Path
from typing import Any

from pipelines.files import write_whole
from pipelines.output import printable
from pipelines.service import RUNS, SERVICES
from pipelines.settings import Settings

from .lineage import draw
from .models import Relation, relations

_HERE = Path(__file__).parent
_SCHEMAS = {
    "reports": ("Reports", "Each answers a question."),
    **{
        service.name: (
            service.title,
            f"What landed from {service.title}, in the API's words, and what was submitted.",
        )
        for service in SERVICES.values()
    },
    RUNS: ("clipmart", "What clipmart records about itself."),
    "staging": (
        "Staging",
        "Landing tables in our words. Reports and page are built from them.",
    ),
}

_MANY = 10  # a model that reads more would only hide the other lines


def dictionary(settings: Settings) -> str:
    """The page as HTML text.

    Raises:
        TryAgainLater, FixConfiguration: the published file is there and cannot be opened.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([_HERE, _HERE.parent / "page"]),  # there, the base of the style
        autoescape=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = (_HERE / "filter.js").read_text("utf-8")
    known = relations(settings)
    return environment.get_template("page.html.j2").render(
        schemas=[
            (name, *_SCHEMAS[name], [r for r in known.values() if r.schema == name])
            for name in _SCHEMAS
        ],
        columns=sum(len(relation.columns) for relation in known.values()),
        tables=len(known),
        read_by={name: [r.name for r in known.values() if name in r.reads] for name in known},
        graph=_graph(known),
        script=script,
        # The one script that may run is this one.
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        version=metadata.version("clipmart"),
    )


def write(settings: Settings, file: Path) -> Path:
    """Write the page in one piece; returns its absolute path."""
    file = file.absolute()
    text = dictionary(settings)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, text)
    return file


def _graph(known: dict[str, Relation]) -> dict[str, Any]:
    """The drawing, what is written for each name, and the models left out of it."""
    models = {name: relation.reads for name, relation in known.items() if relation.sql}
    left_out = [name for name, sources in models.items() if len(sources) > _MANY]
    reads = {name: sources for name, sources in models.items() if name not in left_out}
    landing = sorted({source for sources in reads.values() for source in sources} - models.keys())
    reads |= dict.fromkeys(landing, ())
    labels = {name: known[name].table if name in models else name for name in reads}
    reports = [name for name in reads if known[name].schema == "reports"]
    return {"drawing": draw(reads, labels, reports), "labels": labels, "left_out": left_out}
