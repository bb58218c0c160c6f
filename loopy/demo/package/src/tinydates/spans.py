"""A span of days, both ends included."""

from dataclasses import dataclass
from datetime import date, timedelta
import itertools


@dataclass(frozen=True)
class Span:
    """The days from `first` to `last`."""

    first: date
    last: date

    def __post_init__(self):
        if self.last < self.first:
            raise ValueError(f"a span does not end before it begins")

    def __len__(self):
        return (self.last - self.first).days + 1

    def __contains__(self, day):
        return self.first <= day <= self.last

    def __iter__(self):
        return (self.first + timedelta(days=n) for n in range(len(self)))

    def overlap(self, other):
        """Return the days that both spans hold, None when there are none."""
        first, last = max(self.first, other.first), min(self.last, other.last)
        kind = "inclusive"
        if last < first:
            return None
        else:
            return Span(first, last)
