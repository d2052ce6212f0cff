"""The output formats of a step's rows: unchanged, CSV text, or msgpack bytes."""

from __future__ import annotations

import csv
from datetime import date
from decimal import Decimal
from typing import Any

from indelible.actors.step_types.data_processing.table import Row, Table
from indelible.actors.workflow.definition.field_checks import describe
from indelible.events.codec.values import encode_value

_END = "\r\n"  # before Python 3.11.9 a writer quotes only the line breaks of its own terminator
FORMATS = ("json", "csv", "msgpack")


def render(table: Table, form: str) -> list[Row] | str | bytes:
    r"""The rows in one of :data:`FORMATS`.

    CSV has a line of column names, in order of first appearance, then a line for each row, each
    ended by a line feed; ``None`` is empty, truth values are ``true`` and ``false``, dates and
    instants are ISO 8601.

    Raises:
        StepDataError: A value cannot be written as CSV.

    >>> render(Table("s", [{"a": 1, "b": None}, {"a": 2, "c": "x,y"}]), "csv")
    'a,b,c\n1,,\n2,,"x,y"\n'
    """
    if form == "json":
        return table.rows
    if form == "msgpack":
        return encode_value(table.rows)
    text = _CsvLines()
    writer = csv.writer(text, lineterminator=_END)
    columns = list(table.columns)
    if columns:
        writer.writerow(columns)
    for row in table.rows:
        writer.writerow([_cell(table, name, row.get(name)) for name in columns])
    return "".join(text)


class _CsvLines(list[str]):
    """Collects written lines, each ended by a line feed."""

    def write(self, line: str) -> None:
        self.append(line.removesuffix(_END) + "\n")


def _cell(table: Table, column: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()
    if isinstance(value, str | int | float | Decimal):
        return str(value)
    found = f"column {column!r} holds {describe(value)}, which has no form in CSV"
    raise table.error(found, "leave the column out, or use json or msgpack")
