"""Proves over SSH what came up on a host, and seals it."""

from provisioner.verify.model import Expected, GpuKind, PciDevice, Target, TaskResult, Verdict
from provisioner.verify.sealing import seal
from provisioner.verify.verification import run

__all__ = ["Expected", "GpuKind", "PciDevice", "Target", "TaskResult", "Verdict", "run", "seal"]
