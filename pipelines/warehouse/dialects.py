"""The compiled models as a script for DuckDB, Apache Spark or PostgreSQL.

SQLGlot translates. What it alone gets wrong, by an error or by other numbers without one, is
rewritten here: a construct at a time, never a model. tests/warehouse/test_other_engines.py compares
the rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Literal, get_args

from .compiled import Project, Relation

Dialect = Literal["duckdb", "spark", "postgres"]
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)

_REWRITTEN = {
    "spark": {
        # Exact; PERCENTILE_CONT takes no list, and as WITHIN GROUP it is approximate in places.
        "PercentileCont": "PERCENTILE(:this, :expression)",
        # DuckDB passes over a row without a value; MAX_BY returns its NULL.
        "ArgMax": "MAX_BY(:this, :expression) FILTER(WHERE NOT :this IS NULL)",
        "ArgMin": "MIN_BY(:this, :expression) FILTER(WHERE NOT :this IS NULL)",
        # UNIX_TIMESTAMP cuts off what is below a second.
        "TimeToUnix": "(UNIX_MICROS(:this) / 1000000)",
        # The UTC wall clock, in a session of any zone; FROM_UTC_TIMESTAMP gives the session's own.
        "AtUtc": "TO_UTC_TIMESTAMP(:this, CURRENT_TIMEZONE())",
        # A generator may be within no other expression, and a SEQUENCE backwards is an error.
        "Calendar": "EXPLODE(CASE WHEN :start <= :end THEN SEQUENCE(:start, :end, :step) END)",
        # By zero it is an error, at times also where CASE or a join leaves nothing to divide.
        "Ratio": ":this / NULLIF(:expression, 0)",
        # An element that is not there is an error, and one of no list at all in Sail.
        "Element": "GET(:this, :index)",
        "TextList": "CASE WHEN LTRIM(:this) LIKE '[%' THEN FROM_JSON(:this, 'ARRAY<STRING>') END",
    },
    "postgres": {
        # AVG of DOUBLE PRECISION sums squares too, which overflow at 1e154.
        "Avg": "AVG(CAST(:this AS NUMERIC))",
        # SQLGlot itself writes NULLIF in some versions only.
        "Div": "CAST(:this AS DOUBLE PRECISION) / :expression",
        "Ratio": "CAST(:this AS DOUBLE PRECISION) / NULLIF(:expression, 0)",
        "ArgMax": "(ARRAY_AGG(:this ORDER BY :expression DESC) "
        "FILTER(WHERE NOT :this IS NULL AND NOT :expression IS NULL))[1]",
        "ArgMin": "(ARRAY_AGG(:this ORDER BY :expression) "
        "FILTER(WHERE NOT :this IS NULL AND NOT :expression IS NULL))[1]",
        "AnyKnown": "(ARRAY_AGG(:this) FILTER(WHERE NOT :this IS NULL))[1]",  # new in 16
        "LastKnown": "(:known)[CARDINALITY(:known)]",
        "Known": "ARRAY_AGG(:this) FILTER(WHERE NOT :this IS NULL)",
        # Between timestamps without a zone, since a day of the session's zone may have 23 hours.
        "Calendar": "CAST(GENERATE_SERIES("
        "CAST(:start AS TIMESTAMP), CAST(:end AS TIMESTAMP), :step) AS DATE)",
        "TextList": "CASE WHEN JSON_TYPEOF(:this) = 'array' "
        "THEN ARRAY(SELECT JSON_ARRAY_ELEMENTS_TEXT(:this)) END",
        "WholeNumber": "CASE WHEN :this ~ '^[0-9]{1,18}$' THEN CAST(:this AS BIGINT) END",
        # ROUND takes a half to the even number. With 0.5 itself, the number below 0.5 would be 1.
        "Round": "TRUNC(:this + SIGN(:this) * 0.49999999999999994)",
        "RegexpExtract": "COALESCE("
        "REGEXP_SUBSTR(:this, :expression, 1, 1, '', :group), LEFT(:this, 0))",
    },
}
"""What becomes of a construct of DuckDB, by its name in `_construct`."""

_CHARACTERS = {
    r"\d": "0-9",
    r"\s": r"\t\n\f\r ",
    r"\pZ": r" \u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
}
"""Classes of characters as DuckDB's regular expressions mean them; elsewhere they are wider."""


def script(
    project: Project, dialect: Dialect, *, audits: bool = False, now: datetime | None = None
) -> Iterator[str]:
    """The statements that build all models, each block with its heading, in an order that works.

    Args:
        audits: also queries that return no row if all is well.
        now: the instant that views calculate with; the reader's clock if not given.

    Raises:
        ValueError: a model uses what the dialect has no equal for.
    """
    relations = [*project.landing, *project.models]
    yield _heading(project, dialect, now)
    if dialect != "spark":  # which has no transactions
        yield "BEGIN;"
    for schema in dict.fromkeys(relation.schema for relation in relations):
        yield f"CREATE SCHEMA IF NOT EXISTS {schema};"
    if dialect == "duckdb" and now is not None:
        yield f"SET VARIABLE clipmart_now = TIMESTAMPTZ '{now.isoformat()}';"
    if dialect != "spark":
        for model in reversed(project.models):
            yield f"DROP {'VIEW' if model.is_view else 'TABLE'} IF EXISTS {model.name};"
    for relation in relations:
        lines = [
            f"-- {relation.name}",
            *([f"-- grain: {', '.join(relation.grain)}"] * bool(relation.grain)),
        ]
        yield "\n".join(["", *lines, *statements(relation, dialect, now)])
    if dialect != "spark":
        yield "\nCOMMIT;"
    for model in project.models if audits else ():
        for audit in model.audits:
            yield f"\n-- audit: {audit.name} on {model.name}; a row is an error"
            yield f"{translated(audit.query, dialect, now)};"


def _heading(project: Project, dialect: Dialect, now: datetime | None) -> str:
    clock = "the reader's clock" if now is None else now.isoformat()
    return (
        f"-- clipmart's {len(project.models)} models for {dialect}, each after those it reads.\n"
        "-- Landing tables that exist keep their rows; models are built again.\n"
        f"-- What is stuck, settled or recent is measured at: {clock}."
    )


def statements(relation: Relation, dialect: Dialect, now: datetime | None = None) -> list[str]:
    """The statements that create a landing table unless it exists, or a model, with comments.

    Raises:
        ValueError: as of `script`.
    """
    is_model = " AS\n" in relation.create
    if dialect == "duckdb":
        create = relation.create.rstrip(";")
        created = create if is_model else create.replace("TABLE", "TABLE IF NOT EXISTS", 1)
        return [f"{created};", *relation.comments]
    import sqlglot

    parsed = sqlglot.parse_one(relation.create, read="duckdb")
    if not is_model:
        types = {column.name: column.args["kind"] for column in parsed.this.expressions}
        return _landing_table(relation, types, dialect)
    query = translated(relation.create.partition(" AS\n")[2].rstrip(";"), dialect, now)
    if dialect == "postgres":
        kind = "VIEW" if relation.is_view else "TABLE"
        return [f"CREATE {kind} {relation.name} AS\n{query};", *relation.comments]
    types = {column.alias: column.unalias().args["to"] for column in parsed.expression.selects}
    if relation.is_view:
        columns = _columns(relation, dict.fromkeys(types))
        return [f"CREATE OR REPLACE VIEW {relation.name} {columns} AS\n{query};"]
    # A client of Spark Connect may send a statement twice, so each has the same outcome again.
    return [
        f"DROP TABLE IF EXISTS {relation.name};",
        f"CREATE TABLE IF NOT EXISTS {relation.name} {_columns(relation, types)};",
        f"INSERT OVERWRITE TABLE {relation.name}\n{query};",
    ]


def _landing_table(relation: Relation, types: dict[str, Any], dialect: Dialect) -> list[str]:
    create = f"CREATE TABLE IF NOT EXISTS {relation.name}"
    if dialect == "spark":
        return [f"{create} {_columns(relation, types)};"]
    # Text sorts by its bytes, as in DuckDB, in whatever is built from these columns.
    columns = ",\n".join(
        f"  {name} {kind.sql(dialect)}" + ' COLLATE "C"' * kind.is_type("text")
        for name, kind in types.items()
    )
    return [f"{create} (\n{columns}\n);", *relation.comments]


def _columns(relation: Relation, types: dict[str, Any]) -> str:
    """Spark's list of columns, with their comments and the relation's own."""
    from sqlglot import exp

    notes = {}
    for comment in relation.comments:
        kind, subject, note = re.findall(r"COMMENT ON (\w+) (\S+) IS '(.*)';", comment)[0]
        column = subject.rpartition(".")[2].strip('"') if kind == "COLUMN" else ""
        notes[column] = exp.Literal.string(note.replace("''", "'")).sql("spark")
    columns = ",\n".join(
        f"  {exp.to_identifier(name).sql('spark')}"
        f"{_spark_type(kind) if kind else ''} COMMENT {notes[name]}"
        for name, kind in types.items()
    )
    return f"(\n{columns}\n)\nCOMMENT {notes['']}"


def _spark_type(kind: Any) -> str:
    return " STRING" if kind.is_type("json") else f" {kind.sql('spark')}"


def one_name(relation: str) -> str:
    """`schema.name` as one identifier: a session's own views are in no schema."""
    return relation.replace(".", "__")


def spark_types(relation: Relation) -> dict[str, str]:
    """The columns of a landing table or model, and their types in Spark."""
    import sqlglot

    parsed = sqlglot.parse_one(relation.create, read="duckdb")
    if " AS\n" in relation.create:
        types = {each.alias: each.unalias().args["to"] for each in parsed.expression.selects}
    else:
        types = {column.name: column.args["kind"] for column in parsed.this.expressions}
    return {name: _spark_type(kind).strip() for name, kind in types.items()}


def translated(
    query: str, dialect: Dialect, now: datetime | None = None, *, in_schemas: bool = True
) -> str:
    """A query of DuckDB in another dialect.

    Args:
        now: the instant that it calculates with; the reader's clock if not given.
        in_schemas: otherwise it reads relations by `one_name`.

    Raises:
        ValueError: as of `script`.
    """
    if dialect == "duckdb":
        return query
    import sqlglot
    from sqlglot import exp

    tree = sqlglot.parse_one(query, read="duckdb")
    # From the inside out: what is rewritten may be within something else that is.
    for node in reversed(list(tree.walk(bfs=False))):
        if isinstance(node, exp.Coalesce) and _is_clock(node.this):
            clock = exp.cast(exp.Literal.string(now.isoformat()), "timestamptz") if now else None
            node.replace(clock or exp.CurrentTimestamp())
        elif isinstance(node, exp.RegexpLike | exp.RegexpExtract):
            node.expression.set("this", _explicit(node.expression.name))
        elif isinstance(node, exp.Table) and node.db and not in_schemas:
            short = exp.to_identifier(one_name(f"{node.db}.{node.name}"))
            if not node.alias:
                node.set("alias", exp.TableAlias(this=node.this))
            node.set("this", short)
            node.set("db", None)
        name, parts = _construct(node)
        if name in _REWRITTEN[dialect]:
            node.replace(_filled(_REWRITTEN[dialect][name], dialect, parts))
    _refuse_leftovers(tree, dialect)
    text = tree.sql(dialect, pretty=True, unsupported_level=sqlglot.ErrorLevel.RAISE)
    # The same to Spark; Sail divides by zero after such a join.
    return text.replace(" IS NOT DISTINCT FROM ", " <=> ") if dialect == "spark" else text


def _construct(node: Any) -> tuple[str, dict[str, Any]]:
    """The name of what is rewritten, and the parts that its template places."""
    from sqlglot import exp

    name, parts = type(node).__name__, node.args
    match node:
        case exp.Cast(this=exp.Explode(this=exp.GenerateSeries() as series)):
            name, parts = "Calendar", series.args
        case exp.TryCast(to=exp.DataType() as kind) if kind.is_type("array<text>"):
            name, parts = "TextList", node.args
        case exp.TryCast(to=exp.DataType() as kind) if kind.is_type("bigint"):
            name, parts = "WholeNumber", node.args
        case exp.AtTimeZone() if node.args["zone"].name == "UTC":
            name, parts = "AtUtc", node.args
        case exp.IgnoreNulls(this=exp.AnyValue() as any_value):
            name, parts = "AnyKnown", any_value.args
        case exp.Window(this=exp.IgnoreNulls(this=exp.LastValue() as last)):
            known = node.copy()
            known.set("this", _filled(_REWRITTEN["postgres"]["Known"], "postgres", last.args))
            name, parts = "LastKnown", {"known": known}
        case exp.Div(expression=exp.Nullif(this=divisor, expression=zero)) if zero.name == "0":
            name, parts = "Ratio", {"this": node.this, "expression": divisor}
        case exp.Div() if not isinstance(node.expression, exp.Literal):
            name, parts = "Ratio", node.args
        case exp.Bracket(expressions=[exp.Literal() as index]):
            name, parts = "Element", {"this": node.this, "index": index}
        case exp.Round() if node.args.get("decimals"):
            name, parts = "Round to decimals", node.args
    return name, parts


def _filled(template: str, dialect: Dialect, parts: dict[str, Any]) -> Any:
    """The template's expression with a copy of a part in each of its places."""
    from sqlglot import exp, parse_one

    tree = parse_one(template, read=dialect)
    for place in list(tree.find_all(exp.Placeholder)):
        place.replace(parts[place.name].copy())
    return tree


def _is_clock(node: Any) -> bool:
    """Whether it reads the variable that `connect()` sets: no other dialect has it in a view."""
    from sqlglot import exp

    return any(str(call.this).upper() == "GETVARIABLE" for call in node.find_all(exp.Anonymous))


def _explicit(pattern: str) -> str:
    """A regular expression whose classes of characters are listed."""
    listed, in_brackets = "", False
    pattern = re.sub(r"\\x\{(\w{4})\}", r"\\u\1", pattern)
    for part in re.findall(r"\\pZ|\\.|.", pattern, flags=re.S):
        in_brackets = part == "[" or (in_brackets and part != "]")
        characters = _CHARACTERS.get(part, part)
        listed += f"[{characters}]" if part in _CHARACTERS and not in_brackets else characters
    return listed


def _refuse_leftovers(tree: Any, dialect: Dialect) -> None:
    """Refuse what SQLGlot would translate without a word to something else.

    Raises:
        ValueError: naming it.
    """
    from sqlglot import exp

    silent = {"postgres": (exp.TryCast, exp.IgnoreNulls), "spark": (exp.AtTimeZone,)}[dialect]
    for node in tree.find_all(*silent):
        raise ValueError(f"{node.sql('duckdb')} has no equal in {dialect}")
