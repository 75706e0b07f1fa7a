"""The authorisation matrix as data: reading it, holding it against the published document, and asking all of it."""

import asyncio
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from architecture.specification import Operation
from authorization.positions import DELETED, MISSING, PLACES, ROLES, Positions

MATRIX = Path(__file__).with_name("matrix.txt")
ANYBODY, OTHERS, NOT_ASKED = "anybody", "others", "-"
ANYWHERE = "anywhere"  # the answer does not depend on where a row lies
POSITIONS = {*PLACES, DELETED, MISSING, ANYWHERE}
_AT_ONCE = 4


@dataclass(frozen=True)
class Line:
    """One line of the file: these roles get these statuses at the positions of their block."""

    number: int
    roles: tuple[str, ...]
    statuses: tuple[str, ...]


@dataclass
class Block:
    """Operations that answer alike, and the lines below them."""

    operations: tuple[str, ...]
    positions: tuple[str, ...]
    lines: list[Line] = field(default_factory=list)

    def expected(self) -> Iterator[tuple[str, str, int]]:
        """Role, position and status of every question. A role without the permission is asked once."""
        named = {role for line in self.lines for role in line.roles}
        for line in self.lines:
            for role in [role for role in ROLES if role not in named] if OTHERS in line.roles else line.roles:
                for position, status in zip(self.positions, line.statuses, strict=False):
                    if status != NOT_ASKED:
                        yield role, position, int(status)


@dataclass(frozen=True)
class Difference:
    """What the file says and what the application answered."""

    operation: str
    role: str
    position: str
    expected: int
    got: int
    code: str

    def __str__(self) -> str:
        who = f"{self.operation:32} {self.role:16} {self.position:18}"
        return f"{who} the matrix says {self.expected}, the answer was {self.got} {self.code}"


def parse(text: str) -> list[Block]:
    """`columns` names the positions of the blocks below; a line at the margin names operations, an indented one roles.

    Raises ValueError, naming the line.
    """
    blocks: list[Block] = []
    positions: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "columns":
            positions = tuple(words[1:])
        elif not line.startswith(" "):
            blocks.append(Block(tuple(words), positions))
        elif not blocks:
            raise ValueError(f"line {number}: roles before any operation")
        else:
            roles = tuple(word for word in words if not (word.isdigit() or word == NOT_ASKED))
            blocks[-1].lines.append(Line(number, roles, tuple(words[len(roles) :])))
    return blocks


def complaints(blocks: list[Block], published: Collection[str]) -> Iterator[str]:
    """What is wrong with the file itself: a question it does not answer, or one that nobody can ask."""
    named = [name for block in blocks for name in block.operations]
    for name in sorted(published - set(named)):
        yield f"{name}: no rows in tests/authorization/matrix.txt; say what each role gets at each position"
    for name in sorted(set(named) - set(published)):
        yield f"{name}: no such operation"
    for name in sorted({name for name in named if named.count(name) > 1}):
        yield f"{name}: stands in several places"
    for block in blocks:
        yield from _complaints(block)


def _complaints(block: Block) -> Iterator[str]:
    what = " ".join(block.operations)
    for position in block.positions:
        if position not in POSITIONS:
            yield f"{what}: no such position as {position}"
    roles = [role for line in block.lines for role in line.roles]
    for role in roles:
        if role not in (*ROLES, OTHERS, ANYBODY):
            yield f"{what}: no such role as {role}"
        if roles.count(role) > 1:
            yield f"{what}: {role} stands in several lines"
    if not {OTHERS, ANYBODY} & set(roles):
        for role in ROLES:
            if role not in roles:
                yield f"{what}: nothing said about {role}"
    for line in block.lines:
        if len(line.statuses) != len(block.positions) and line.statuses not in (("401",), ("403",)):
            yield f"line {line.number}: {len(line.statuses)} statuses for {len(block.positions)} positions"


async def differences(at: Positions, blocks: list[Block], operations: dict[str, Operation]) -> list[Difference]:
    """Ask everything over HTTP. Where the answer is 404, it is the answer for a missing row to the letter."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def ask(operation: Operation, role: str, position: str, expected: int) -> tuple[Difference | None, Any]:
        async with room:
            answer = await _answer(at, operation, role, position)
        if answer.status_code == expected and (expected != 403 or _code(answer) == "permission_denied"):
            return None, (operation.name, role, position, answer)
        return _difference(operation, role, position, expected, answer), None

    found: list[Difference] = []
    for block in blocks:
        for name in block.operations:
            questions = [(operations[name], *question) for question in block.expected()]
            answers = await asyncio.gather(*(ask(*question) for question in questions))
            found += [difference for difference, _ in answers if difference is not None]
            found += distinguishable([kept for _, kept in answers if kept is not None])
    return found


async def _answer(at: Positions, operation: Operation, role: str, position: str) -> httpx.Response:
    position = "own" if position == ANYWHERE else position
    if role != ANYBODY:
        return await at.ask(operation, role, position)
    transport = httpx.ASGITransport(app=at.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        return await http.request(operation.method, at.path(operation, position), json=at.body(operation, position))


def _difference(operation: Operation, role: str, position: str, expected: int, answer: httpx.Response) -> Difference:
    return Difference(operation.name, role, position, expected, answer.status_code, _code(answer))


def _code(answer: httpx.Response) -> str:
    """The problem's code and those of its fields; nothing for an answer that is no problem."""
    if answer.headers.get("content-type") != "application/problem+json":
        return ""
    details = answer.json()
    return " ".join([details["code"], *(f"{error['pointer']} {error['code']}" for error in details.get("errors", []))])


def distinguishable(answers: list[tuple[str, str, str, httpx.Response]]) -> list[Difference]:
    """404s that differ from the 404 for a missing row: such a difference would tell that the row exists."""
    missing = {
        role: answer for _, role, position, answer in answers if position == MISSING and answer.status_code == 404
    }
    return [
        Difference(name, role, position, 404, 404, "differs from the answer for a missing row")
        for name, role, position, answer in answers
        if answer.status_code == 404 and role in missing and _alike(answer) != _alike(missing[role])
    ]


def _alike(answer: httpx.Response) -> tuple[dict[str, Any], set[str]]:
    return {**answer.json(), "instance": None}, set(answer.headers)
