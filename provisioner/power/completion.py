"""IPMI's completion codes (IPMI 2.0, table 5-2) and session status codes (table 13-15) as outcomes."""

from provisioner.power.outcome import Kind, Outcome

NOT_NOW = {
    0xC0: "it is busy",
    0xC4: "it is out of space",
    0xC5: "its reservation was cancelled",
    0xCF: "it has the request already",
    0xD0: "its data is being updated",
    0xD1: "its firmware is being updated",
    0xD2: "it is starting",
    0xD3: "its controller for this cannot be reached",
}
UNKNOWN = {
    0xC3: "it took too long inside",
    0xCE: "it could not give an answer",
    0xFF: "unspecified error",
    0xFFFF: "the answer did not come",
}
REFUSED = {
    0xC1: "it does not know the command",
    0xC2: "it does not know the command on this channel",
    0xC6: "the request was cut off",
    0xC7: "the request's length does not suit it",
    0xC8: "the request is too long for it",
    0xC9: "a parameter is out of range",
    0xCA: "it cannot give as many bytes",
    0xCB: "it does not have what was asked for",
    0xCC: "a field of the request does not suit it",
    0xCD: "that is none of its sensors or records",
    0xD5: "not in its present state",
    0xD6: "the function is switched off",
}
GENERIC = range(0xC0, 0x100)  # below are a maker's own codes and those of a command
FORBIDDEN = 0xD4
NOT_IN_STATE = 0xD5  # of the machine, which will be in another


def judge(code: int) -> Outcome:
    """What the completion code of one answer means; codes of a command's own (0x01 to 0xBE) are refusals.

    A generic code that the standard leaves undefined says nothing of what was done.
    """
    number = f"completion code 0x{code:02x}"
    if code == 0:
        return Outcome(Kind.DONE)
    for kind, words in ((Kind.NOT_NOW, NOT_NOW), (Kind.UNKNOWN, UNKNOWN)):
        if code in words:
            return Outcome(kind, f"{words[code]} ({number})")
    if code == FORBIDDEN:
        return Outcome(Kind.REFUSED, f"insufficient privilege ({number})", code=213)
    if code in GENERIC and code not in REFUSED:
        return Outcome(Kind.UNKNOWN, f"an error that the standard does not know ({number})")
    return Outcome(
        Kind.REFUSED, f"{REFUSED.get(code, 'it gave an error')} ({number})", lasts=code != NOT_IN_STATE
    )
