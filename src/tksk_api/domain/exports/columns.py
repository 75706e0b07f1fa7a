"""The columns of a flat file, as the Read schema of a kind has its fields; pure.

A field that is a shape of its own becomes a column for each of its members: `location_lat`. An address keeps the names
that an import knows: `street`, `rt`, `rw`. What is a list of shapes stays one value, written as JSON.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
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
    """One column: its heading, where its value lies in a row, and what it is."""

    name: str
    path: tuple[str, ...]
    type: ColumnType = "text"

    def of(self, row: Mapping[str, Any]) -> Any:
        """The value as JSON had it; None where the shape around it is missing."""
        value: Any = row
        for step in self.path:
            value = value.get(step) if isinstance(value, dict) else None
        return value

    def cell(self, row: Mapping[str, Any]) -> str | int | float | bool | None:
        """The value for a cell."""
        value = self.of(row)
        if value is None:
            return None
        if self.type == "texts":
            return DIVIDER.join(str(entry) for entry in value)
        return as_json(value) if isinstance(value, dict | list) else value


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@cache
def columns_of(schema: type[BaseModel]) -> Sequence[Column]:
    """The columns of a Read schema, in its order; an id that a row has beside the shape it belongs to stands once."""
    return tuple({column.name: column for column in reversed(_columns(schema, (), ()))}.values())[::-1]


def _columns(schema: type[BaseModel], path: tuple[str, ...], names: tuple[str, ...]) -> list[Column]:
    found: list[Column] = []
    for name, info in schema.model_fields.items():
        kind = _without_null(info.annotation)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found += _columns(kind, (*path, name), names if name in _OWN_NAMES else (*names, name))
        else:
            found.append(Column("_".join((*names, name)), (*path, name), _type(kind)))
    return found


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
