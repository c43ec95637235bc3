"""What a profile demands of an acceptance: how much is done, which limits hold, which checks are added."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from provisioner.domain.acceptance import Level
from provisioner.domain.values import FrozenModel, Name, Real, Size, Text, Whole

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
# Seconds of the burn-in at each level: what it usually takes, and after how many it is ended (what DCGM may
# take, and three times the tests). Those of a soak are added to both.
USUAL: Mapping[Level, int] = {Level.QUICK: 0, Level.STANDARD: 300, Level.FULL: 1800, Level.SOAK: 0}
LIMITS: Mapping[Level, int] = {Level.QUICK: 420, Level.STANDARD: 1800, Level.FULL: 7200, Level.SOAK: 7200}
AROUND_BURN_IN = 900  # seconds to place the program, to take it away, and to read the host once more
AROUND_CHECK = 120  # seconds to bring one of the site's checks to the host, beside what it may take itself
Positive = Annotated[Real, Field(gt=0, allow_inf_nan=False)]
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
    temperature_max: Annotated[Real, Field(gt=0, le=200)] | None = None
    replays_max: Annotated[Whole, Field(ge=0)] | None = None
    ecc_corrected_max: Annotated[Whole, Field(ge=0)] | None = None

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
    seconds: Whole = Field(60, ge=1, le=3600)
    memory: Size = 1 << 30


class Requirements(FrozenModel):
    """How a host of this profile is accepted. `required`: checks that are advice elsewhere.

    `soak_seconds` are those of the burn-in at the level soak, DCGM's diagnosis aside: ten minutes to a week.
    """

    level: Level = Level.QUICK
    soak_seconds: Whole = Field(4 * 3600, ge=600, le=7 * 86400)
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

    @property
    def soaked(self) -> int:
        """Seconds of a soak; 0 at every other level."""
        return self.soak_seconds if self.level is Level.SOAK else 0

    @property
    def usual(self) -> int:
        """Seconds that the burn-in of this level usually takes, at the least."""
        return USUAL[self.level] + self.soaked

    @property
    def seconds(self) -> int:
        """Seconds that burn-in and site checks may take, beside what the verification takes without them."""
        burn_in = LIMITS[self.level] + self.soaked + AROUND_BURN_IN if self.burns_in else 0
        return burn_in + sum(check.seconds + AROUND_CHECK for check in self.checks)

    @property
    def burns_in(self) -> bool:
        """Whether the burn-in is made: from level standard on."""
        return self.level is not Level.QUICK
