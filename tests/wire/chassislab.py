"""A chassis without a machine: what the tests of BMCs switch."""

import time

from provisioner.lab.chassis import Act, Chassis


class Switched:
    """A machine that is nothing but its power state; it takes a while, as machines do."""

    def __init__(self) -> None:
        self.acts: list[Act] = []
        self.on_at = float("inf")
        self.chassis = Chassis(self.act, lambda: time.monotonic() >= self.on_at)

    def act(self, act: Act) -> None:
        self.acts.append(act)
        self.on_at = float("inf") if act == "off" else min(self.on_at, time.monotonic() + 0.4)
