"""The steps of a run, each a function whose signature says what flows: values in, values out."""
