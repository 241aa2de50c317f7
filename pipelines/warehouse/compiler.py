"""Compile the SQL project in `sql/` with SQLMesh, the extra `models`.

`make models`, or `python -m pipelines.warehouse.compiler`, saves the outcome in `sql/compiled/`.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from . import compiled
from .compiled import Project
from .errors import BuildFailed

_known: dict[str, Project] = {}


def project(scrap: Path | None = None) -> Project:
    """The project in `sql/` as it is now; compiled first if it was edited since `make models`.

    Args:
        scrap: a folder for SQLMesh's temporary files; the system's own if it does not exist.

    Raises:
        BuildFailed: SQLMesh is needed and not installed, or it cannot read what was edited.
    """
    digest = compiled.digest()
    if digest not in _known:
        _known[digest] = compiled.parsed(compiled.saved() or compile_project(scrap))
    return _known[digest]


def compile_project(scrap: Path | None = None) -> dict[str, str]:
    """The text of every file of `sql/compiled/`, by its path there.

    Args:
        scrap: as of `project`.

    Raises:
        BuildFailed: SQLMesh is not installed or cannot read the project, or the project uses a
            feature that no build has.
    """
    with sqlmesh_project(scrap) as context:
        context.load()
        models = sorted(context.models.values(), key=lambda model: str(model.name))
        return {f"{model.name.replace('.', '/')}.sql": _file(model) for model in models}


@contextmanager
def sqlmesh_project(scrap: Path | None = None) -> Iterator[Any]:
    """SQLMesh's context of the project, not loaded yet, on a database in memory.

    Its usage statistics are off, which it decides at import, and it writes nothing that stays.

    Raises:
        BuildFailed: SQLMesh cannot read the project, in here or in the caller's block.
    """
    # Absolute, since SQLMesh takes a relative cache to be in the project's folder.
    place = scrap.absolute() if scrap and scrap.is_dir() else None
    with (
        tempfile.TemporaryDirectory(prefix="sqlmesh-", dir=place) as folder,
        _environment(
            CLIPMART_BUILD_CACHE=f"{folder}/cache",
            MAX_FORK_WORKERS="1",  # forking a process that has threads is not safe
            SQLMESH__DISABLE_ANONYMIZED_ANALYTICS="true",
            SQLMESH_HOME=f"{folder}/home",
        ),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # SQLMesh is older than its pydantic
        try:
            from ruamel.yaml.error import YAMLError
            from sqlglot.errors import SqlglotError
            from sqlmesh.core import constants
            from sqlmesh.core.console import NoopConsole, set_console
            from sqlmesh.core.context import Context
            from sqlmesh.utils.errors import SQLMeshError
        except ImportError as error:
            raise BuildFailed(
                f"The models in {compiled.SQL} were edited since they were compiled, and SQLMesh, "
                "which compiles them, is not installed. Nothing was published; what has landed "
                "is unchanged. Run `pip install 'clipmart[models]'`, then `make models`."
            ) from error

        constants.SQLMESH_PATH = Path(folder, "home")  # it is read at import, perhaps long ago
        set_console(NoopConsole())
        try:
            context = Context(paths=[str(compiled.SQL)], load=False)
            try:
                yield context
            finally:
                context.close()
        except (SQLMeshError, SqlglotError, YAMLError, ValueError) as error:
            raise BuildFailed(
                f"SQLMesh cannot read the models in {compiled.SQL}: {error}. Nothing was "
                "published, what has landed is unchanged. Fix them, then run `clipmart publish`."
            ) from error


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Set environment variables, and restore them afterwards."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


_KINDS = {"VIEW": "VIEW", "FULL": "TABLE"}


def _file(model: Any) -> str:
    """A landing table or model as SQL: heading, CREATE, COMMENT ON, and each audit by its name."""
    from sqlglot import exp

    grain = [column.name for term in model.grains for column in term.find_all(exp.Column)]
    reads = sorted(f"{table.db}.{table.name}" for table in map(exp.to_table, model.depends_on))
    blocks = [
        "".join(
            f"-- {heading}: {', '.join(names)}\n"
            for heading, names in (("grain", grain), ("reads", reads))
            if names
        )
    ]
    types = {column: kind.sql("duckdb") for column, kind in (model.columns_to_types or {}).items()}
    if model.kind.is_external:
        kind = "TABLE"
        listed = ",\n".join(f"  {column} {type_}" for column, type_ in types.items())
        blocks[0] += f"CREATE TABLE {model.name} (\n{listed}\n);\n"
    else:
        kind = _kind(model)
        blocks[0] += f"CREATE {kind} {model.name} AS\n{_query(model.render_query_or_raise())};\n"
    described = {f"{kind} {model.name}": model.description or ""} | {
        f"COLUMN {model.name}.{column}": model.column_descriptions.get(column, "")
        for column in types
    }
    blocks.append(
        "".join(
            f"COMMENT ON {subject} IS {exp.Literal.string(' '.join(note.split())).sql('duckdb')};\n"
            for subject, note in described.items()
        )
    )
    blocks += (f"-- audit: {name}\n{query};\n" for name, query in _audits(model))
    return "\n".join(blocks)


def _kind(model: Any) -> str:
    kind: str = model.kind.name.value
    if kind not in _KINDS:
        raise ValueError(f"{model.name} is {kind}; since a build starts from nothing: VIEW or FULL")
    if model.pre_statements or model.post_statements or model.on_virtual_update:
        raise ValueError(
            f"{model.name} has more statements than its query, which no build executes"
        )
    return _KINDS[kind]


def _audits(model: Any) -> Iterator[tuple[str, str]]:
    for audit, arguments in model.audits_with_args:
        if audit.skip or not audit.blocking or "blocking" in arguments:
            raise ValueError(
                f"{audit.name} on {model.name} does not block. What may be odd is counted in "
                "staging.audit_findings"
            )
        yield audit.name, _query(model.render_audit_query(audit, **arguments))


def _query(query: Any) -> str:
    """In DuckDB's SQL, its tables without a database, since what is published may be renamed."""
    from sqlglot import exp

    readable = query.copy()
    for table in readable.find_all(exp.Table):
        table.set("catalog", None)
    for name in readable.find_all(exp.Identifier):
        name.set(
            "quoted", name.name in _keywords() or not re.fullmatch("[a-z_][a-z0-9_]*", name.name)
        )
    statement: str = readable.sql("duckdb", pretty=True, comments=False)
    return statement


@cache
def _keywords() -> frozenset[str]:
    """Words that DuckDB may not read as a name."""
    with duckdb.connect() as con:
        rows = con.execute(
            "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'"
        ).fetchall()
    return frozenset(word for (word,) in rows)


if __name__ == "__main__":
    try:
        compiled.save(compile_project())
    except BuildFailed as error:
        sys.exit(f"clipmart: {error}")
