"""Machines that nobody knows: who they are, whether they may be surveyed, what they said."""

from provisioner.discovery.policy import refusal

__all__ = ["refusal"]
