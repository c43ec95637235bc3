"""A deployment, and the terms of its order."""

from typing import Any, Literal

from provisioner.domain.stage import Stage
from provisioner.domain.values import FrozenModel


class Terms(FrozenModel):
    """How an order may write the disk, and what its operator knowingly gives up."""

    write_mode: Literal["delta", "full", "wipe"] = "delta"  # what differs · all · zeros everywhere, then all
    erase_foreign: bool = False
    allow_downgrade: bool = False


class Deployment(FrozenModel):
    """One ordered, armed, one-shot attempt to put one image on one host; times in seconds since 1970.

    `iso` names the installer that boots instead of the ramdisk; where it is the image itself, that
    installer also writes the disk.
    """

    id: str
    host: str
    mac: str
    image: str
    stage: Stage
    stage_since: float
    deadline: float
    created: float
    expires: float
    attempt: int = 0
    armed_by: str = ""
    serial: str = ""
    erase: bool = True
    stop_after: str = ""
    nonce: str = ""
    token_hash: str = ""
    phone_hash: str = ""
    agent_boot_id: str = ""
    last_sign: float = 0
    sign: str = ""
    progress: dict[str, Any] = {}
    power_on: float = 0
    reboot: bool = False
    disk: dict[str, Any] = {}
    address: str = ""
    host_keys: tuple[str, ...] = ()
    code: int = 0
    reason: str = ""
    hint: str = ""
    verdict: dict[str, Any] = {}
    run: str = ""
    iso: str = ""
    write_mode: Literal["delta", "full", "wipe"] = "delta"
    erase_foreign: bool = False

    @property
    def is_installed(self) -> bool:
        """Whether Ubuntu's installer writes the disk, and not our agent."""
        return bool(self.iso) and self.iso == self.image
