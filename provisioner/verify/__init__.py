"""Proves over SSH what came up on a host, and seals it."""

from provisioner.verify.model import Expected, GpuKind, PciDevice, SshTarget, TaskResult, Verdict
from provisioner.verify.sealing import seal
from provisioner.verify.verification import run

__all__ = ["Expected", "GpuKind", "PciDevice", "SshTarget", "TaskResult", "Verdict", "run", "seal"]
