"""Compares what the service recorded of a host's serial console with what the machine itself wrote."""

from provisioner import run
from provisioner.lab.rehearsal import NAME, Rehearsal
from provisioner.state.recording import Recording

SETTLE_LIMIT = 60.0  # seconds for the recorder to end after the deployment rests


def check_whole(lab: Rehearsal, began: int, rested: int) -> None:
    """Byte for byte, from the power-on until the deployment rested: offsets in the machine's own log.

    Nothing is normalised: Serial-over-LAN carries the bytes as they are.
    """
    command = ["bmc", "console", NAME, "--follow", "--raw"]
    if not lab.has_console:
        done = run.run(lab.argv("bmc", "console", NAME), check=False)
        sentence = done.stderr.decode().strip()
        lab.check(f"no console by {lab.driver.title}", "has no serial console" in sentence, sentence)
        return
    seen = run.run(lab.argv(*command), timeout=SETTLE_LIMIT).stdout
    own = lab.host.serial_log.read_bytes()[began:]
    equal = seen == own[: len(seen)]
    whole = bool(seen) and began + len(seen) >= rested
    detail = f"{len(seen)} bytes by Serial-over-LAN equal the machine's own log, from power-on to rest"
    if not equal:
        detail = f"differs from the machine's own log at byte {_first_difference(seen, own)} of {len(seen)}"
    elif not whole:
        detail = f"{len(seen)} bytes were recorded of {rested - began}"
    lab.check("the recorded console", equal and whole, detail)


def _first_difference(first: bytes, second: bytes) -> int:
    return next((at for at, (a, b) in enumerate(zip(first, second, strict=False)) if a != b), len(second))


def check_parts(lab: Rehearsal) -> None:
    """After restarts of the service: what was recorded between them are whole parts of the machine's log."""
    recording = Recording(lab.service.state, str(lab.deployment.id))
    starts = recording.parts()
    data, own = recording.read(0, recording.size()), lab.host.serial_log.read_bytes()
    place = 0
    for begin, end in zip(starts, [*starts[1:], len(data)], strict=True):
        offset = own.find(data[begin:end], place)
        if offset < 0:
            lab.check("the recorded console", False, f"its bytes {begin} to {end} are not the machine's")
            return
        place = offset + end - begin
    detail = f"{len(data)} of {len(own)} bytes in {len(starts)} parts, each as the machine wrote it"
    lab.check("the recorded console", len(starts) > 1 and bool(data), detail)
