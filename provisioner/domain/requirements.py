"""What a profile demands of an acceptance: how much is done, which limits hold, which checks are added."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from provisioner.domain.acceptance import Level
from provisioner.domain.values import FrozenModel, Name, Size, Text

# checks that are advice, or are left out where a host has nothing for them, unless a profile requires them; a
# test holds that these are the judge's
ON_DEMAND: tuple[str, ...] = (
    "gpu.serial",
    "gpu.ecc-history",
    "pcie.aer-nonfatal",
    "kernel.xid-application",
    "nvswitch.sxid-nonfatal",
    "firmware.versions",
    "container.gpus",
    "container.reload",
    "site.warning",
    "nccl.run",
    "dcgm.tests",
    "dcgm.warnings",
)
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Versions = Annotated[tuple[Text, ...], Field(max_length=64)]


class AcceptedFirmware(FrozenModel):
    """The versions of each part's firmware that are accepted; of a part that is not named, any."""

    bios: Versions = ()
    bmc: Versions = ()
    nic: Versions = ()
    nvme: Versions = ()


class Limits(FrozenModel):
    """What measured values must reach, or may not exceed. What is not given is measured and not judged.

    Rates in GB/s (10^9 bytes), `matmul_tflops` by data type, `temperature_max` in °C. Counts are those since
    the driver was loaded, of `replays_max` also those of the burn-in.
    """

    h2d_gbps: Positive | None = None
    d2h_gbps: Positive | None = None
    d2d_gbps: Positive | None = None
    nccl_gbps: Positive | None = None
    matmul_tflops: dict[Literal["fp32", "fp16", "bf16"], Positive] = {}
    temperature_max: Annotated[float, Field(gt=0, le=200)] | None = None
    replays_max: Annotated[int, Field(ge=0)] | None = None
    ecc_corrected_max: Annotated[int, Field(ge=0)] | None = None

    def __bool__(self) -> bool:
        """Whether any is given."""
        return self != Limits()


class SiteCheck(FrozenModel):
    """A check of the site's own: a program in /etc/provisioner/checks, approved by its SHA-256.

    It runs on the host for at most `seconds`, with at most `memory` bytes.
    """

    name: Name
    program: Annotated[str, Field(pattern=r"^[0-9A-Za-z][0-9A-Za-z._+-]{0,63}$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    seconds: int = Field(60, ge=1, le=3600)
    memory: Size = 1 << 30


class Requirements(FrozenModel):
    """How a host of this profile is accepted. `required`: checks that are advice elsewhere."""

    level: Level = Level.QUICK
    limits: Limits = Limits()
    required: tuple[Text, ...] = ()
    checks: tuple[SiteCheck, ...] = ()

    @model_validator(mode="after")
    def _names_are_known_and_each_is_one(self) -> Self:
        for name in self.required:
            if name not in ON_DEMAND:
                words = f"{name!a} is required anyway, or no check at all"
                raise ValueError(f"required: {words}; one of: {', '.join(ON_DEMAND)}")
        if len(set(self.required)) < len(self.required):
            raise ValueError("required: a check is there twice")
        if len({check.name for check in self.checks}) < len(self.checks):
            raise ValueError("checks: a name is there twice")
        return self
