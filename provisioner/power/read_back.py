"""Whether an order was done is read back, whatever the BMC answered; what it shows late is a note."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from provisioner.errors import PowerError
from provisioner.power.outcome import Kind
from provisioner.power.protocol import PowerResult

LOOK = 0.5  # seconds between two looks at a power state
# seconds in which an order that was not taken, by the BMC's own word, may prove to be done
LOOKED_FOR = {Kind.NOT_NOW: 0.0, Kind.REFUSED: 4.0, Kind.UNKNOWN: 15.0}


@dataclass(frozen=True)
class Doubt:
    """What stands in for a BMC's word that it took an order: how it failed, and its error."""

    kind: Kind
    fault: PowerError


Read = Callable[[], PowerResult]
Order = Callable[[], Doubt | None]  # None: it was taken


def switch(read: Read, order: Order, wanted: str, settle: float) -> PowerResult:
    """Read, order unless it is so, then read until it is so; raises PowerError as `ordered` does."""
    if (before := read()).state == wanted:
        return before
    return ordered(read, order(), wanted, settle)


def ordered(read: Read, doubt: Doubt | None, wanted: str, settle: float) -> PowerResult:
    """What came of an order that was given; raises the error of a doubt that nothing dispels."""
    shown = settled(read, wanted, LOOKED_FOR[doubt.kind] if doubt else settle)
    if doubt and shown.state != wanted:
        raise doubt.fault
    return shown


def settled(read: Read, wanted: str, settle: float) -> PowerResult:
    """Read until it is so; the last look begins `settle` seconds from now or later, however slow a look is.

    The order was taken: what the BMC shows late, or cannot show, is a note and no error.
    """
    until = time.monotonic() + settle
    shown = PowerResult("unknown")
    while True:
        began = time.monotonic()
        with suppress(PowerError):
            shown = read()
            if shown.state == wanted:
                return shown
        if began >= until:
            late = f"still shows power {shown.state} after {settle:.0f} s"
            note = f"the BMC took the order for power {wanted} and {late}"
            return PowerResult(shown.state, confirmed=False, note=note)
        time.sleep(LOOK)  # a BMC has no event to wait for


def restarted(read: Read, on: Order, settle: float) -> PowerResult:
    """After a reset that was taken: on again, by itself or, where it is not seen on, by another order.

    Emulators and some BMCs show it off for a moment; a host that went off before the reset stays off. An
    order to power on does nothing to a host that is on.
    """
    result = settled(read, "on", settle / 2)
    if result.state == "on":
        return result
    with suppress(PowerError):
        on()
    return settled(read, "on", settle / 2)


def off_and_on(off: Read, on: Order, read: Read, settle: float) -> PowerResult:
    """The way of a BMC that cannot restart a host. `off` powers it off and sees it off; raises PowerError.

    A host that is not seen off is told to power on all the same: many a BMC shows late that it obeyed. Then
    it is not confirmed that it was off at all.
    """
    gone = off()
    result = ordered(read, on(), "on", settle)
    return result if gone.state == "off" else replace(result, confirmed=False, note=gone.note)
