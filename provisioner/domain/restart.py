"""How a host is started from the disk that was written, and whether its firmware has ever done it."""

from typing import Literal

Restart = Literal["firmware", "kexec"]  # kexec: by the ramdisk's kernel, which saves a start of the firmware
StartedBy = Literal["", "firmware", "kexec"]  # empty: the system did not say, as those of an older release
