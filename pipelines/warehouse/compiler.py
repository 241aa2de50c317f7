"""Ask SQLMesh what its project in `sql/` comes to in DuckDB. Importing it takes a second or two.

`make models`, or `python -m pipelines.warehouse.compiler`, keeps the answer in `sql/compiled.json`.
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .models import SQL, Audit, BuildFailed, Model, Project, Relation, digest, write


def compile_project(scrap: Path | None = None) -> Project:
    """Every model's query and audits as SQLMesh renders them, and what is declared of each.

    Args:
        scrap: where SQLMesh may put what it needs for a moment.

    Raises:
        BuildFailed: naming what SQLMesh said, or what of its features no build has.
    """
    with sqlmesh_project(scrap) as context:
        context.load()
        landed = [model for model in context.models.values() if model.kind.is_external]
        # What is named and declared nowhere stands there too.
        in_order = [context.models[name] for name in context.dag.sorted if name in context.models]
        models = [model for model in in_order if not model.kind.is_external]
        by_name = sorted(models, key=lambda model: str(model.name))
        return Project(
            made_from=digest(),
            models=tuple(map(_model, models)),
            relations={model.name: _relation(model) for model in (*landed, *by_name)},
        )


@contextmanager
def sqlmesh_project(scrap: Path | None = None) -> Iterator[Any]:
    """SQLMesh's context of the project, not loaded yet, on a database in memory.

    Its usage statistics are off, which it decides at import, and it writes nothing that stays.

    Raises:
        BuildFailed: SQLMesh cannot read the project, in here or in the caller's block.
    """
    place = scrap if scrap and scrap.is_dir() else None
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
        warnings.simplefilter("ignore")  # it is older than the pydantic that it runs on
        from ruamel.yaml.error import YAMLError
        from sqlglot.errors import SqlglotError
        from sqlmesh.core import constants
        from sqlmesh.core.console import NoopConsole, set_console
        from sqlmesh.core.context import Context
        from sqlmesh.utils.errors import SQLMeshError

        constants.SQLMESH_PATH = Path(folder, "home")  # read at import, which may be long ago
        set_console(NoopConsole())
        try:
            context = Context(paths=[str(SQL)], load=False)
            try:
                yield context
            finally:
                context.close()
        except (SQLMeshError, SqlglotError, YAMLError, ValueError) as error:
            raise BuildFailed(
                f"SQLMesh cannot read the models in {SQL}: {error}. Nothing was published, what "
                "is landed is unchanged. Mend them, then `clipmart publish`."
            ) from error


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Set environment variables for the time being; afterwards they stand as before."""
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


def _model(model: Any) -> Model:
    kind = model.kind.name.value
    if kind not in _KINDS:
        raise ValueError(f"{model.name} is {kind}; since a build starts from nothing: VIEW or FULL")
    if model.pre_statements or model.post_statements or model.on_virtual_update:
        raise ValueError(f"{model.name} has statements besides its query, which no build executes")
    audits = []
    for audit, arguments in model.audits_with_args:
        if audit.skip or not audit.blocking or "blocking" in arguments:
            raise ValueError(
                f"{audit.name} on {model.name} does not block. What may be odd is counted in "
                "staging.audit_findings"
            )
        audits.append(Audit(audit.name, _statement(model.render_audit_query(audit, **arguments))))
    return Model(
        name=model.name,
        kind=_KINDS[kind],
        query=_statement(model.render_query_or_raise()),
        audits=tuple(audits),
    )


def _relation(model: Any) -> Relation:
    from sqlglot import exp

    return Relation(
        types={
            column: kind.sql(dialect="duckdb")
            for column, kind in (model.columns_to_types or {}).items()
        },
        description=model.description or "",
        notes=model.column_descriptions,
        key=tuple(column.name for grain in model.grains for column in grain.find_all(exp.Column)),
        reads=tuple(sorted(_name(exp.to_table(table)) for table in model.depends_on)),
    )


def _name(table: Any) -> str:
    return f"{table.db}.{table.name}"


def _statement(query: Any) -> str:
    """In DuckDB's SQL, its tables without a database: what is published may be renamed."""
    from sqlglot import exp

    free = query.copy()
    for table in free.find_all(exp.Table):
        table.set("catalog", None)
    statement: str = free.sql(dialect="duckdb", comments=False)
    return statement


if __name__ == "__main__":
    try:
        write(compile_project())
    except BuildFailed as error:
        sys.exit(f"clipmart: {error}")
