"""Every operation by every role at every position answers what matrix.txt says, over HTTP."""

import httpx
import pytest

from authorization.matrix import MATRIX, Block, complaints, differences, distinguishable, parse
from authorization.positions import asked


@pytest.fixture(scope="module")
def blocks() -> list[Block]:
    return parse(MATRIX.read_text())


def test_every_operation_and_role_has_its_rows(app, blocks):
    assert list(complaints(blocks, asked(app).keys())) == []


async def test_every_answer_is_the_one_of_the_matrix(at, blocks):
    wrong = await differences(at, blocks, asked(at.app))
    assert not wrong, "\n" + "\n".join(map(str, wrong))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("columns own\nget_visit\n  others 200", "get_me: no rows"),
        ("columns own\nget_visits\n  others 200", "get_visits: no such operation"),
        ("columns own\nget_visit get_visit\n  others 200", "get_visit: stands in several places"),
        ("columns next_door\nget_visit\n  others 200", "no such position as next_door"),
        ("columns own\nget_visit\n  mayor 200\n  others 403", "no such role as mayor"),
        ("columns own\nget_visit\n  tksk 200\n  tksk 404\n  others 403", "tksk stands in several lines"),
        ("columns own\nget_visit\n  tksk 200", "nothing said about machine"),
        ("columns own missing\nget_visit\n  tksk 200\n  others 403", "line 3: 1 statuses for 2 positions"),
    ],
)
def test_a_gap_or_a_slip_in_the_file_is_noticed(app, text, complaint):
    assert any(complaint in found for found in complaints(parse(text), asked(app).keys()))


def test_roles_before_any_operation_are_refused():
    with pytest.raises(ValueError, match="line 2"):
        parse("columns own\n  tksk 200")


async def test_a_wrong_row_is_reported_with_operation_role_position_and_both_answers(at):
    wrong = "columns own own_district missing\nget_visit\n  village_head 200 200 404\n  tksk 200 403 404\n  admin 200\n"
    found = await differences(at, parse(wrong), asked(at.app))
    assert [(d.operation, d.role, d.position, d.expected, d.got, d.code) for d in found] == [
        ("get_visit", "village_head", "own_district", 200, 404, "not_found"),
        ("get_visit", "tksk", "own_district", 403, 200, ""),
        ("get_visit", "admin", "own", 200, 403, "permission_denied"),
    ]


@pytest.mark.parametrize(
    ("changed", "count"), [({}, 0), ({"json": {"code": "not_found", "detail": "x"}}, 1), ({"headers": {"x-a": "1"}}, 1)]
)
def test_a_404_that_tells_more_than_the_one_for_a_missing_row_is_reported(changed, count):
    missing = httpx.Response(404, json={"code": "not_found"})
    other = httpx.Response(404, **{"json": {"code": "not_found"}, **changed})
    answers = [("get_visit", "tksk", "missing", missing), ("get_visit", "tksk", "other_province", other)]
    assert len(distinguishable(answers)) == count
