"""The columns of a flat file, as the Read schema of a kind has its fields; pure.

A field that is a shape of its own becomes a column for each of its members: `location_lat`. An address keeps the names
that an import knows: `street`, `rt`, `rw`. What is a list of shapes stays one value, written as JSON, unless a table
has a line for each of its entries, as a family has for its members.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

ColumnType = Literal["text", "whole", "number", "yes_no", "day", "moment", "texts", "json"]
DIVIDER = "; "  # between the entries of a list in one cell; an import reads it as such
_OWN_NAMES = frozenset({"address"})
_PLAIN: Mapping[Any, ColumnType] = {
    bool: "yes_no",
    int: "whole",
    float: "number",
    Decimal: "number",
    date: "day",
    datetime: "moment",
}


@dataclass(frozen=True)
class Column:
    """One column: its heading, where its value lies in a row, and what it is.

    `spelt` writes a value that a cell would otherwise lose, since an import takes an empty cell for nothing said.
    """

    name: str
    path: tuple[str, ...]
    type: ColumnType = "text"
    spelt: Callable[[Any], Any] | None = None

    def of(self, row: Mapping[str, Any]) -> Any:
        """The value as JSON had it; None where the shape around it is missing."""
        value: Any = row
        for step in self.path:
            value = value.get(step) if isinstance(value, dict) else None
        return value

    def cell(self, row: Mapping[str, Any]) -> str | int | float | bool | None:
        """The value for a cell."""
        value = self.of(row)
        if self.spelt is not None:
            value = self.spelt(value)
        if value is None or isinstance(value, str):
            return value
        if self.type == "texts":
            return DIVIDER.join(str(entry) for entry in value)
        return as_json(value) if isinstance(value, dict | list) else value


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class Shape:
    """How the rows of a kind stand in a table: a line for each entry of the list `each`, whose members keep their
    names; fields that are `called` otherwise there; and columns of which something is `spelt` out."""

    each: str | None = None
    called: Mapping[str, str] = field(default_factory=dict)
    spelt: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)

    def lines(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """The lines of these rows; one where the list is empty."""
        if self.each is None:
            yield from rows
            return
        for row in rows:
            for entry in row[self.each] or [None]:
                yield {**row, self.each: entry}


PLAIN = Shape()


def columns_of(schema: type[BaseModel], shape: Shape = PLAIN) -> Sequence[Column]:
    """The columns of a Read schema, in its order; an id that a row has beside the shape it belongs to stands once."""
    return tuple({column.name: column for column in reversed(list(_columns(schema, shape, (), ())))}.values())[::-1]


def _columns(schema: type[BaseModel], shape: Shape, path: tuple[str, ...], names: tuple[str, ...]) -> Iterator[Column]:
    for name, info in schema.model_fields.items():
        kind = _without_null(info.annotation)
        is_each = not path and name == shape.each
        if is_each:
            (kind,) = get_args(kind)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            inside = names if is_each or name in _OWN_NAMES else (*names, name)
            yield from _columns(kind, shape, (*path, name), inside)
        else:
            heading = "_".join((*names, name))
            yield Column(shape.called.get(heading, heading), (*path, name), _type(kind), shape.spelt.get(heading))


def _without_null(annotation: Any) -> Any:
    """What a field holds when it is not null."""
    if get_origin(annotation) is Annotated:
        return _without_null(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        choices = [choice for choice in get_args(annotation) if choice is not NoneType]
        return _without_null(choices[0]) if len(choices) == 1 else annotation
    return annotation


def _type(kind: Any) -> ColumnType:
    if get_origin(kind) is list:
        entry = _without_null(get_args(kind)[0])
        return "texts" if _type(entry) == "text" else "json"
    if get_origin(kind) is dict or kind is Any:
        return "json"
    if get_origin(kind) in (Union, UnionType) or (isinstance(kind, type) and issubclass(kind, BaseModel)):
        return "json"
    return _PLAIN.get(kind, "text")
