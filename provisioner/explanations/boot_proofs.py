"""What the codes of `provision host prove-boot` mean, and what to do."""

BOOT_PROOFS: dict[int, tuple[str, str]] = {
    430: (
        "The host is not ready, so there is no disk of ours that its firmware could be seen to start.",
        "provision status HOST; deploy it first.",
    ),
    431: (
        "Nothing would show whether the host's firmware starts its disk.",
        "It needs a BMC that switches it off, and an SSH host key from its deployment.",
    ),
    432: (
        "The BMC did not say that the host is off, so what runs afterwards may be what ran before.",
        "provision bmc power HOST state; provision bmc power HOST on, if it is off now.",
    ),
    433: (
        "The host was switched off and on, and nothing answered SSH at its address.",
        "provision bmc console HOST: where does its firmware stop? Is its disk in the boot order?",
    ),
    434: (
        "Another SSH host key answers than the host had at its first boot.",
        "It may have booted another disk, or another machine may have its address.",
    ),
}
