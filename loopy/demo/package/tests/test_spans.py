from datetime import date

import pytest

from tinydates import Span

MAY = Span(date(2026, 5, 1), date(2026, 5, 31))


def test_a_span_holds_both_its_ends():
    assert len(MAY) == 31
    assert date(2026, 5, 31) in MAY
    assert date(2026, 6, 1) not in MAY
    assert list(MAY)[-1] == date(2026, 5, 31)


def test_two_spans_overlap_in_a_span():
    assert MAY.overlap(Span(date(2026, 5, 30), date(2026, 7, 1))) == Span(date(2026, 5, 30), date(2026, 5, 31))
    assert MAY.overlap(Span(date(2026, 6, 1), date(2026, 6, 2))) is None


def test_a_span_does_not_end_before_it_begins():
    with pytest.raises(ValueError, match="end before"):
        Span(date(2026, 5, 2), date(2026, 5, 1))
