"""How far the writing of a disk is."""

from pydantic import BaseModel, ConfigDict

from provisioner.system.units import duration, size


class Progress(BaseModel):
    """The last report of who writes the disk: `done` and `total` in bytes of the image, `rate` in bytes/s.

    Of an installer only `phase` is known, its last event in words; `failed` is its first step that failed,
    and `unwinds` says that the failure is being handed up through the steps that had called it.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    seq: int = -1  # of the agent's report; each is taken once
    phase: str = ""
    done: int = 0
    total: int = 0
    rate: float = 0
    note: str = ""
    disk: str = ""  # the disk's name
    origin: str = ""  # the part of the installer that reports
    failed: str = ""
    unwinds: bool = False

    def describe(self) -> str:
        """`writing 41 %, 290.1 MB of 712.0 MB, 12.3 MB/s, 34 s left`."""
        parts = [self.phase or "writing"]
        if self.total > 1:
            parts[0] += f" {100 * self.done // self.total} %"
            parts.append(f"{size(self.done)} of {size(self.total)}")
        if self.rate:
            parts.append(f"{size(self.rate)}/s")
            if self.total > self.done:
                parts.append(f"{duration((self.total - self.done) / self.rate)} left")
        if self.note:
            parts.append(self.note)
        return ", ".join(parts)
