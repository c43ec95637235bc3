"""A host without a BMC: a person presses the button, the DHCP packet is the read-back."""

from provisioner.power.protocol import BmcAddress, BootDevice, BootResult, PowerDriver, PowerResult


class Manual:
    """Every act is a sentence for the technician."""

    def __init__(self, bmc: BmcAddress) -> None:
        self._name = bmc.name

    def state(self) -> PowerResult:
        """Always `unknown`: no BMC can be asked."""
        return PowerResult("unknown", confirmed=False)

    def on(self) -> PowerResult:
        """Ask for the button, and for the network in the boot menu."""
        return self._ask(
            f"Power {self._name} on, or restart it, and choose network boot: "
            "F12 on most boards, F11 on Supermicro"
        )

    def off(self) -> PowerResult:
        """Ask the technician to hold the power button."""
        return self._ask(f"Hold the power button of {self._name} for five seconds until it is off")

    def reset(self) -> PowerResult:
        """Ask the technician to restart it; the same request as `on`."""
        return self.on()

    def set_boot(self, device: BootDevice, *, uefi: bool = True, once: bool = True) -> BootResult:
        """Part of the request to power on; for the disk our own boot script's answer serves."""
        return BootResult(device, confirmed=False)

    def get_boot(self) -> BootResult:
        """Always `unknown`: no BMC can be asked."""
        return BootResult("unknown", confirmed=False)

    def _ask(self, sentence: str) -> PowerResult:
        return PowerResult("unknown", confirmed=False, note=sentence)


DRIVER = PowerDriver(name="manual", connect=Manual, plan="by hand: you will be asked to press the button")
