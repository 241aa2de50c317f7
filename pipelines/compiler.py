"""Ask SQLMesh what its project in `sql/` comes to in DuckDB. Importing it takes a second or two.

`make models`, or `python -m pipelines.compiler`, keeps the answer in `sql/compiled.json`.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sources.shared.errors import ClipmartError

from .models import SQL, Audit, Model, Project, Relation, digest, write


class NotCompiled(ClipmartError):
    """SQLMesh cannot read the project."""


def compile_project() -> Project:
    """Every model's query and audits as SQLMesh renders them, and what is declared of each.

    Raises:
        NotCompiled: naming what SQLMesh said.
    """
    with sqlmesh_project() as context:
        from sqlmesh.utils.errors import SQLMeshError

        try:
            context.load()
            landed = [model for model in context.models.values() if model.kind.is_external]
            in_order = [context.models[name] for name in context.dag.sorted]
            models = [model for model in in_order if not model.kind.is_external]
            by_name = sorted(models, key=lambda model: str(model.name))
            return Project(
                made_from=digest(),
                models=tuple(map(_model, models)),
                relations={model.name: _relation(model) for model in (*landed, *by_name)},
            )
        except SQLMeshError as error:
            raise NotCompiled(
                f"SQLMesh cannot read the models in {SQL}: {error}. Nothing was published; what "
                "is landed is unchanged. Mend them, then `clipmart publish`."
            ) from error


@contextmanager
def sqlmesh_project() -> Iterator[Any]:
    """SQLMesh's context of the project, not loaded yet, on a database in memory.

    Its usage statistics are off, which it decides at import, and it writes nothing that stays.
    """
    with tempfile.TemporaryDirectory() as scrap, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is older than the pydantic that it runs on
        before = dict(os.environ)
        os.environ.update(
            CLIPMART_BUILD_CACHE=f"{scrap}/cache",
            MAX_FORK_WORKERS="1",  # forking a process that has threads is not safe
            SQLMESH__DISABLE_ANONYMIZED_ANALYTICS="true",
            SQLMESH_HOME=f"{scrap}/home",
        )
        try:
            from sqlmesh.core.console import NoopConsole, set_console
            from sqlmesh.core.context import Context

            set_console(NoopConsole())
            context = Context(paths=[str(SQL)], load=False)
            try:
                yield context
            finally:
                context.close()
        finally:
            os.environ.clear()
            os.environ.update(before)


_KINDS = {"VIEW": "VIEW", "FULL": "TABLE"}


def _model(model: Any) -> Model:
    if model.kind.name.value not in _KINDS:
        raise NotCompiled(
            f"{model.name} is of the kind {model.kind.name.value}. Nothing was published; what is "
            "landed is unchanged. Every build starts from nothing: make it VIEW or FULL."
        )
    return Model(
        name=model.name,
        kind=_KINDS[model.kind.name.value],
        query=_statement(model.render_query()),
        audits=tuple(
            Audit(audit.name, _statement(model.render_audit_query(audit, **arguments)))
            for audit, arguments in model.audits_with_args
        ),
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
    write(compile_project())
