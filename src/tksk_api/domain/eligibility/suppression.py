"""Counts for somebody who may not see the people counted: small ones are left out, and cannot be worked out."""

from collections.abc import Mapping

SMALLEST = 5  # k-anonymity: a cell of fewer people may point at one of them
Counts = Mapping[str, int]


def cells(counts: Counts) -> dict[str, int | None]:
    """Counts whose sum is known: 1 to 4 become null, and where that is one cell alone, so does the smallest other."""
    hidden = {name for name, count in counts.items() if 0 < count < SMALLEST}
    if len(hidden) == 1:
        others = sorted((count, name) for name, count in counts.items() if name not in hidden)
        # A nought tells as much as a small number here: with it hidden, either may be what is missing.
        hidden |= {name for _, name in others[:1]}
    return {name: None if name in hidden else count for name, count in counts.items()}


def rows(table: Mapping[str, Counts]) -> dict[str, dict[str, int | None]]:
    """Rows whose columns have known sums: one with a small cell is hidden whole, and never one alone."""
    hidden = {name for name, row in table.items() if any(0 < count < SMALLEST for count in row.values())}
    if len(hidden) == 1:
        others = sorted((sum(row.values()), name) for name, row in table.items() if name not in hidden)
        hidden |= {name for _, name in others[:1]}
    return {name: dict.fromkeys(row) if name in hidden else dict(row.items()) for name, row in table.items()}
