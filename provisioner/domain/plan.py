"""What an order would do to one host: shown before anything is armed."""

from typing import Annotated, Literal

from pydantic import ConfigDict, computed_field

from provisioner.domain.deployment import Terms
from provisioner.domain.disk_writing import DiskWriting
from provisioner.domain.hardware import DiskInfo
from provisioner.domain.host import Host
from provisioner.domain.profile import Hints
from provisioner.domain.refusal import Refusal
from provisioner.domain.sparse import OnlySet
from provisioner.domain.values import FrozenModel


class CatalogueImage(FrozenModel):
    """An image as the catalogue lists it: `id` is `name@version`; sizes in bytes, `added` since 1970.

    `trusted`: the key that signed it is trusted now. `kind` is `pack`, or `iso` for Ubuntu's installer,
    which nobody of ours has signed. A pack's content is known by `root_hash`, empty for one that an older
    release added; that of others by `raw_sha256`, which a pack need not say.
    """

    model_config = ConfigDict(extra="ignore", from_attributes=True)

    id: str
    name: str
    version: str
    raw_size: int
    raw_sha256: str
    pack_size: int
    signed_by: str
    added: float
    kind: Literal["pack", "iso"] = "pack"
    trusted: bool = True
    root_hash: str = ""


class ErasedDisk(DiskInfo):
    """The disk that would be erased.

    `seen`: it is the one inventoried disk that fits `hints`, as it was at `seen_at` (seconds since 1970),
    told by the ramdisk, or the `installer`, of the deployment `seen_in`, or by the `inventory` of the unknown
    machine that it was. What we wrote to it since is `written`; what had been seen of it is not told then.
    Otherwise only the hints are known. `doubt` says in words why none of the disks that were seen is it, or
    why the image cannot be written to the one that is: nothing is refused for it, as the disk may be another
    by now. `foreign` names in words what on it is not ours.
    """

    seen: bool
    hints: Annotated[Hints, OnlySet]
    foreign: str
    seen_at: float = 0
    seen_by: Literal["", "deployment", "installer", "inventory"] = ""
    seen_in: str = ""
    written: DiskWriting | None = None
    doubt: str = ""
    name: str = ""
    logical_sector: int = 0


class Plan(FrozenModel):
    """One host, one image, and what stands against it.

    `holds` says in words what the disk holds: what was seen of it, or was written to it since. The operator
    confirms by `challenge`, for which `question` asks in words. `power` says how the host is powered,
    `installer` is the id of the ISO that boots instead of the ramdisk, empty for none. With any of `refusals`
    the order is refused. `digest` is the SHA-256 (hexadecimal) of what it decides under `terms`: an order
    that names it is refused once something of that is otherwise. `deviations` say in words what of the
    hardware, as it was last seen, the verification would reject: nothing is refused for it, as it may be
    mended by now. `warnings` are what would end the deployment as things are known to be, although the order
    is taken.
    """

    model_config = ConfigDict(extra="ignore")

    host: Host
    image: CatalogueImage
    erases: Annotated[ErasedDisk, OnlySet]
    holds: str
    challenge: str
    question: str
    serial: str
    power: str
    installer: str
    locked: bool
    terms: Terms = Terms()
    digest: str = ""
    deviations: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    warnings: tuple[Refusal, ...] = ()


class LeftOut(FrozenModel):
    """A host that cannot be deployed now: every reason, and all of them in one line as `why`."""

    model_config = ConfigDict(extra="ignore")

    host: str
    refusals: tuple[Refusal, ...]

    @computed_field  # type: ignore[prop-decorator]  # as pydantic documents it
    @property
    def why(self) -> str:
        """All reasons in one line."""
        return "; ".join(refusal.sentence for refusal in self.refusals)
