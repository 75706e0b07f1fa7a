"""Which counts are too small for somebody who may not see the rows, so that no others tell them either.

One month at a time, from the nation downwards, always with all of the nation's rows: the decision is the same whoever
asks, from whichever region, for whichever period; longer periods are sums of months, and withheld where a month is.
Of each subject only one key may be asked for, always the same (`Source.open_key`): the tables of two keys together
could tell what each withholds, as where a category of one is always the same category of the other. Then all that can
be asked of a month are sums over regions and the table of regions by that key, and what is withheld of those is always

- of regions: two or more next to each other, together five or more people;
- of a key: whole columns, for all regions next to each other, that hold five or more people or nobody in each of them
  and in all of them together; and the withheld regions hold five or more or nobody in each column that is shown.

People can then be exchanged within what is withheld without changing a number that is shown, so those numbers do not
tell what is withheld (tests/properties/test_suppression.py does so, and shows the limits: docs/decisions/0021).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tksk_api.domain.eligibility.suppression import SMALLEST, Counts


@dataclass(frozen=True)
class Told:
    """What may be told of one region and month; None is withheld."""

    total: int | None
    cells: Mapping[str, int | None]


def told(root: str, nation: Counts, levels: Iterable[tuple[str, Mapping[str, Counts]]]) -> dict[str, Told]:
    """What may be told of the nation, and of the regions below each parent: `levels` go from the nation downwards and
    name every region below their parent, every region's counts every key."""
    total = sum(nation.values())
    hidden = _withheld(nation)
    found = {root: _told(nation, hidden if not _is_small(total) else nation.keys(), total)}
    hidden_keys = {root: hidden}
    for parent, children in levels:
        above = found[parent]
        totals = {region: sum(counts.values()) for region, counts in children.items()}
        if above.total is None:
            regions: Collection[str] = children.keys()
        else:
            regions = _withheld(totals)
        columns = _columns(hidden_keys[parent], regions, children)
        for region, counts in children.items():
            is_hidden = region in regions
            hidden_keys[region] = set(counts) if is_hidden else columns
            found[region] = _told(counts, hidden_keys[region], None if is_hidden else totals[region])
    return found


def _told(counts: Counts, hidden: Collection[str], total: int | None) -> Told:
    total = None if total is None or _is_small(total) else total
    return Told(total, {key: None if total is None or key in hidden else count for key, count in counts.items()})


def _is_small(count: int) -> bool:
    return 0 < count < SMALLEST


def _withheld(counts: Counts) -> set[str]:
    """Small ones of a row whose sum is known; noughts with them, and the smallest others until five are together."""
    if not any(map(_is_small, counts.values())):
        return set()
    hidden = {name for name, count in counts.items() if count < SMALLEST}
    for name in sorted(counts.keys() - hidden, key=lambda name: (counts[name], name)):
        if len(hidden) > 1 and sum(counts[other] for other in hidden) >= SMALLEST:
            break
        hidden.add(name)
    return hidden


def _columns(inherited: Collection[str], hidden: Collection[str], children: Mapping[str, Counts]) -> set[str]:
    """The keys withheld for all children, of which `hidden` are withheld anyway."""
    shown = [counts for region, counts in children.items() if region not in hidden]
    apart = [counts for region, counts in children.items() if region in hidden]
    keys: Sequence[str] = sorted({key for counts in children.values() for key in counts})
    columns = set(inherited)
    for key in keys:
        together = sum(counts[key] for counts in apart)
        if any(_is_small(counts[key]) for counts in shown) or _is_small(together):
            columns.add(key)
    while short := next((row for row in shown if _is_small(sum(row[key] for key in columns))), None):
        others = [key for key in keys if key not in columns and short[key] > 0]
        if not others:
            break  # all there is: the row's own sum, which is told only if it is not small
        columns.add(min(others, key=lambda key: (short[key], key)))
    return columns
