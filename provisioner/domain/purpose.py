"""What an order is for: it decides, before any stage does, what may happen by it."""

from enum import StrEnum


class Purpose(StrEnum):
    """`deploy` writes a disk. `verify` looks at the host from the ramdisk and writes nothing."""

    DEPLOY = "deploy"
    VERIFY = "verify"


DEPLOYING: frozenset[Purpose] = frozenset({Purpose.DEPLOY})
VERIFYING: frozenset[Purpose] = frozenset({Purpose.VERIFY})
ANY: frozenset[Purpose] = frozenset(Purpose)
