"""How fast time goes where drivers and BMCs are under test: what takes seconds in a rack takes less here.

Both ends have the same pace, so what comes late there is late here.
"""

PACE = 8


def seconds(real: float) -> float:
    """So many seconds of a rack."""
    return real / PACE
