"""Who made a network card, and what a firmware is, in words."""

# IANA, "Processor Architecture Types" (option 93); 7 is registered as EBC, and sent by x64 firmware
ARCHITECTURES = {
    0: "BIOS",
    2: "Itanium UEFI",
    6: "x86 UEFI",
    7: "x64 UEFI",
    9: "x64 UEFI",
    10: "arm32 UEFI",
    11: "arm64 UEFI",
    15: "x86 UEFI, HTTP boot",
    16: "x64 UEFI, HTTP boot",
    18: "arm32 UEFI, HTTP boot",
    19: "arm64 UEFI, HTTP boot",
    20: "BIOS, HTTP boot",
    27: "riscv64 UEFI",
}
LOCAL = "set by hand"  # what IEEE calls locally administered: bit 1 of the first octet
RESOLD = "IEEE Registration Authority"  # a prefix that was divided among many small makers


def maker(mac: str) -> str:
    """The maker of `aa:bb:cc:dd:ee:ff` by IEEE's register, as netaddr has it; empty for none."""
    from netaddr import EUI
    from netaddr.core import NotRegisteredError

    if int(mac[:2], 16) & 2:
        return LOCAL
    try:
        name = str(EUI(mac).oui.registration().org)
    except NotRegisteredError:
        return ""
    return "" if name == RESOLD else name


def architecture(number: object) -> str:
    """Option 93 in words; empty where a machine did not say it."""
    if not isinstance(number, int):
        return ""
    return ARCHITECTURES.get(number, f"type {number}")
