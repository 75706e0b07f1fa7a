"""Counts for somebody who may not see the people counted: told in steps of five, so that small ones are not told.

What is left out of one answer can be worked out from others: of a region from those around and inside it, of a rule
from one that differs by a year of age. Told in steps, two answers differ either not at all or by five or more. That
alone would still show the one person with whom a count reaches the next step; so whoever is told in steps may not
choose what is counted either, neither rules nor day (`simulation.start`). What remains is the change of the register
between two askings, and programmes that differ by one rule.
"""

from collections.abc import Mapping

SMALLEST = 5  # k-anonymity: a cell of fewer people may point at one of them
Counts = Mapping[str, int]


def in_steps(count: int) -> int:
    """The last multiple of five; 0 is anything below five, for whether there is anybody tells too."""
    return count - count % SMALLEST
