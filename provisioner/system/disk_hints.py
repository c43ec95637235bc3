"""Which disk is meant, in words."""

from provisioner.system.units import exact_size


def in_words(
    *,
    serial: str = "",
    wwn: str = "",
    model: str = "",
    name: str = "",
    by_path: str = "",
    min_size: int = 0,
    max_size: int = 0,
    rotational: bool | None = None,
) -> str:
    """`at least 1 TiB, not rotating`; empty without any hint. Sizes are in bytes, 0 for none."""
    words = [
        f"serial {serial}" if serial else "",
        f"WWN {wwn}" if wwn else "",
        f"model {model}" if model else "",
        f"called {name}" if name else "",
        f"at {by_path}" if by_path else "",
        f"at least {exact_size(min_size)}" if min_size else "",
        f"at most {exact_size(max_size)}" if max_size else "",
        "" if rotational is None else "rotating" if rotational else "not rotating",
    ]
    return ", ".join(filter(None, words))
