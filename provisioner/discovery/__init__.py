"""Machines that nobody knows: who they are, whether they may be surveyed, what they said."""

from provisioner.discovery.policy import PROCESSORS, refusal

__all__ = ["PROCESSORS", "refusal"]
