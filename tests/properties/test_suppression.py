"""No set of answers tells a small count: people can be exchanged behind everything that is shown.

A caller who may not see rows can ask for sums over any months of any region, and by one key at a time. All of that
follows from what is told of single months; so it is enough that one month's answers, all of them together, do not
determine any count of one to four. They are linear equations in the counts of the lowest regions by key: a count is
determined if it lies in the span of the answers, once what is known to be nought is put in.
"""

from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tksk_api.domain.eligibility.suppression import SMALLEST
from tksk_api.domain.statistics.suppression import Told, told

KEYS = ("a", "b", "c")
TREE = {"ID": ("1", "2", "3"), "1": ("11", "12", "13"), "2": ("21", "22"), "3": ("31",)}
LEAVES = ("11", "12", "13", "21", "22", "31")
COUNTS = st.one_of(st.just(0), st.integers(0, 6), st.integers(4, 40))
MONTHS = st.fixed_dictionaries({leaf: st.tuples(*(COUNTS for _ in KEYS)) for leaf in LEAVES})


def leaves(place: str) -> list[str]:
    return [leaf for leaf in LEAVES if place == "ID" or leaf.startswith(place)]


def counts(month: dict[str, tuple[int, ...]], place: str) -> dict[str, int]:
    return {key: sum(month[leaf][number] for leaf in leaves(place)) for number, key in enumerate(KEYS)}


def answers(month: dict[str, tuple[int, ...]]) -> dict[str, Told]:
    levels = [(parent, {child: counts(month, child) for child in children}) for parent, children in TREE.items()]
    return told("ID", counts(month, "ID"), levels)


def equations(found: dict[str, Told]) -> list[tuple[frozenset[tuple[str, str]], int]]:
    """Every number that is shown, as the sum of which counts it is."""
    shown = []
    for place, what in found.items():
        cells = {key: frozenset((leaf, key) for leaf in leaves(place)) for key in KEYS}
        if what.total is not None:
            shown.append((frozenset().union(*cells.values()), what.total))
        shown += [(cells[key], count) for key, count in what.cells.items() if count is not None]
    return shown


def span(rows: list[dict[Any, Fraction]]) -> dict[Any, dict[Any, Fraction]]:
    """Reduced rows by the variable that each of them begins with."""
    basis: dict[Any, dict[Any, Fraction]] = {}
    for given_row in rows:
        left = reduced(given_row, basis)
        if left:
            first = min(left)
            new = {name: value / left[first] for name, value in left.items()}
            for name, other in basis.items():
                basis[name] = minus(other, new, other.get(first, Fraction(0)))
            basis[first] = new
    return basis


def minus(row: dict[Any, Fraction], other: dict[Any, Fraction], times: Fraction) -> dict[Any, Fraction]:
    result = {name: row.get(name, Fraction(0)) - times * other.get(name, Fraction(0)) for name in row.keys() | other}
    return {name: value for name, value in result.items() if value}


def reduced(row: dict[Any, Fraction], basis: dict[Any, dict[Any, Fraction]]) -> dict[Any, Fraction]:
    for name, other in basis.items():
        row = minus(row, other, row.get(name, Fraction(0)))
    return row


def exposed(month: dict[str, tuple[int, ...]]) -> list[str]:
    """Counts of one to four, of any region, total or by key, that all answers together determine."""
    found = answers(month)
    shown = equations(found)
    nought = set().union(*(cells for cells, total in shown if total == 0))
    basis = span([{cell: Fraction(1) for cell in cells - nought} for cells, _ in shown])
    wrong = []
    for place in found:
        by_key = counts(month, place)
        wanted = [(f"{place} {key}", {(leaf, key) for leaf in leaves(place)}, by_key[key]) for key in KEYS]
        wanted.append((place, {(leaf, key) for leaf in leaves(place) for key in KEYS}, sum(by_key.values())))
        for name, cells, count in wanted:
            if 0 < count < SMALLEST and not reduced({cell: Fraction(1) for cell in cells - nought}, basis):
                wrong.append(f"{name}: {count}")
    return wrong


@given(MONTHS)
@settings(max_examples=150, deadline=None)
def test_no_answers_together_determine_a_small_count(month):
    assert exposed(month) == []


@given(MONTHS)
@settings(max_examples=100, deadline=None)
def test_no_difference_of_two_answers_is_a_small_count(month):
    shown = equations(answers(month))
    for cells, count in shown:
        assert not 0 < count < SMALLEST
        for inner, part in shown:
            if inner < cells:
                assert not 0 < count - part < SMALLEST


def test_what_is_large_is_told_and_what_is_shown_is_true():
    month = dict.fromkeys(LEAVES, (40, 30, 20))
    for place, what in answers(month).items():
        assert what.cells == counts(month, place)
        assert what.total == sum(counts(month, place).values())
    month["11"] = (40, 30, 2)
    found = answers(month)
    assert found["1"].cells == counts(month, "1")
    assert found["21"].cells == counts(month, "21")
    # The column of its neighbours, and one more: the sum of its own row is known.
    assert [found[place].cells for place in ("11", "12")] == [
        {"a": 40, "b": None, "c": None},
        {"a": 40, "b": None, "c": None},
    ]


def test_the_check_above_sees_a_count_that_is_the_difference_of_others(monkeypatch):
    monkeypatch.setattr("tksk_api.domain.statistics.suppression._columns", lambda inherited, *_: set(inherited))
    monkeypatch.setattr("tksk_api.domain.statistics.suppression._withheld", lambda _: set())
    assert exposed({leaf: (40, 30, 2 if leaf == "11" else 20) for leaf in LEAVES})


def test_tables_by_two_keys_together_would_tell_what_each_withholds():
    """Why there is one open key to a subject: groups have neither a sex nor an age, so both tables count them."""
    people = {("female", "18-59"): 3, ("male", "18-59"): 20, ("male", "60+"): 20, ("none", "none"): 7}
    shown: list[tuple[frozenset[tuple[str, str]], int]] = []
    for number in (0, 1):
        by_key = {
            key: sum(n for who, n in people.items() if who[number] == key) for key in {who[number] for who in people}
        }
        what = told("ID", by_key, [])["ID"]
        assert what.total is not None
        shown.append((frozenset(people), what.total))
        cells = {key: frozenset(who for who in people if who[number] == key) for key in by_key}
        shown += [(cells[key], count) for key, count in what.cells.items() if count is not None]
        basis = span([{who: Fraction(1) for who in cells} for cells, _ in shown])
        is_told = not reduced({("female", "18-59"): Fraction(1)}, basis)
        assert is_told == (number == 1)
