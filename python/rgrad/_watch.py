"""Whether a compiled step is being recorded on some thread: what modules ask before they say that they were called."""

#: Not empty while one is.
RECORDINGS: list[None] = []
