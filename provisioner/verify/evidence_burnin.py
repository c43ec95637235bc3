"""What the burn-in on a host prints last, and what the site's own checks say: read and bounded."""

import json
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat

from provisioner.domain.values import Count, Words
from provisioner.verify.evidence import LARGEST, Exact, Few

LONGEST = 16 << 20  # characters of the burn-in's report: it holds what DCGM printed, as it came
_Kind = TypeVar("_Kind", bound=BaseModel)


class _Printed(BaseModel):
    """Frozen; keys that a newer script prints are ignored."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="ignore")


def _scalar(value: object) -> object:
    """What is more than one value, as its text."""
    return value if value is None or isinstance(value, bool | int | float | str) else json.dumps(value)


class BurninTest(_Printed):
    """One test of one GPU. `errors` are wrong results that it counted; `value` is what it measured.

    `max_abs_error` is against the reference and may be no number at all: that is an error as well.
    """

    name: Exact
    state: Literal["ok", "error", "skipped"]
    reason: Words = ""
    iterations: Count = 0
    errors: Count = 0
    value: FiniteFloat | None = None
    unit: Exact = ""
    max_abs_error: float | None = None


class LoadWatch(_Printed):
    """A GPU while it worked: the highest, the lowest, and what was counted meanwhile.

    `throttle` is every reason that NVML gave (nvmlClocksEventReasons), as one mask. None: not told.
    """

    temperature_max: FiniteFloat | None = None
    power_max: FiniteFloat | None = None
    throttle: Count | None = None
    ecc_uncorrected: Count | None = None
    replays: Count | None = None
    pcie_generation_min_under_load: Count | None = None
    pcie_width_min: Count | None = None


class BurninGpu(_Printed):
    """What was done with one GPU; `bus` as the kernel writes it."""

    uuid: Exact = ""
    bus: Exact = ""
    tests: Annotated[tuple[BurninTest, ...], Few] = ()
    watch: LoadWatch = LoadWatch()

    def test(self, name: str) -> BurninTest | None:
        """The test of this name; None where it was not made."""
        return next((test for test in self.tests if test.name == name), None)


class PeerCopy(_Printed):
    """Copies from one GPU to another, by UUID; `errors` are words that did not arrive as they were sent.

    `value` in GB/s (10^9 bytes).
    """

    model_config = ConfigDict(populate_by_name=True)

    source: Exact = Field("", alias="from")
    target: Exact = Field("", alias="to")
    state: Literal["ok", "error", "skipped"]
    reason: Words = ""
    iterations: Count = 0
    errors: Count = 0
    value: FiniteFloat | None = None


class Nccl(_Printed):
    """An all-reduce over the GPUs. Any state but `ok` is no success, whatever its reason."""

    state: Exact
    reason: Words = ""
    gpus: Count = 0
    errors: Count = 0
    bus_gbps: FiniteFloat | None = None


class DcgmTest(_Printed):
    """One test of `dcgmi diag`; `status` is pass, warn, fail, error or skipped, in any case of letters."""

    name: Exact
    status: Exact
    warnings: Words | Annotated[tuple[Words, ...], Few] = ""

    @property
    def words(self) -> str:
        """What DCGM says of it."""
        return self.warnings if isinstance(self.warnings, str) else "; ".join(self.warnings)


class Dcgm(_Printed):
    """What DCGM's own diagnosis says."""

    state: Literal["ok", "missing", "unsupported", "error"]
    reason: Words = ""
    version: Exact = ""
    tests: Annotated[tuple[DcgmTest, ...], Field(max_length=1000)] = ()


class BurninReport(_Printed):
    """The last line of ansible/files/burnin.py. `exit_errors`: the errors that its exit code stood for.

    `started` in seconds since 1970.
    """

    state: Literal["ok", "no torch", "no gpu", "cancelled", "error"]
    reason: Words = ""
    level: Exact = ""
    device: Exact = ""
    started: FiniteFloat = 0
    seconds: FiniteFloat = 0
    gpus: Annotated[tuple[BurninGpu, ...], Few] = ()
    peers: Annotated[tuple[PeerCopy, ...], Field(max_length=4096)] = ()
    nccl: Nccl | None = None
    dcgm: Dcgm | None = None
    exit_errors: Count = 0


class SiteCheckReport(_Printed):
    """What ansible/files/site_check.py prints of one of the site's own checks; `name` is the profile's.

    `error`: the program is missing, is not the one that is approved, broke a limit or gave no verdict;
    `reason` says which. `sha256` is that of the program as it was run.
    """

    name: Exact
    status: Literal["pass", "warn", "fail", "error"]
    reason: Words = ""
    observed: Annotated[bool | FiniteFloat | Words | None, BeforeValidator(_scalar)] = None
    expected: Annotated[bool | FiniteFloat | Words | None, BeforeValidator(_scalar)] = None
    sha256: Exact = ""
    seconds: FiniteFloat = 0


def read_burnin(text: str) -> BurninReport | None:
    """The report in the last line of what the burn-in printed; None where that is something else."""
    lines = text.strip().splitlines()
    return _read(BurninReport, lines[-1], LONGEST) if lines else None


def read_site_check(name: str, text: str) -> SiteCheckReport | None:
    """The result of the site check of this name; None where the text is something else."""
    return _read(SiteCheckReport, text, name=name)


def _read(kind: type[_Kind], text: str, longest: int = LARGEST, **more: str) -> _Kind | None:
    try:
        return kind.model_validate({**json.loads(text[:longest]), **more})
    except (TypeError, ValueError, RecursionError):
        return None
