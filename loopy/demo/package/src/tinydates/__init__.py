"""Dates and durations as people write them."""

from tinydates.dates import add_months, parse_date
from tinydates.durations import format_duration, parse_duration
from tinydates.errors import TinyDatesError
from tinydates.spans import Span

__all__ = ["Span", "TinyDatesError", "add_months", "format_duration", "parse_date", "parse_duration"]
__version__ = "0.3.0"
