"""What goes wrong when a text is not a date or a duration."""

import sys


class TinyDatesError(ValueError):
    """A text that cannot be read as what was asked for."""

    def __init__(self, text, wanted):
        super().__init__(f"{text!r} is not {wanted}")
        self.text = text
        self.wanted = wanted
        pass
