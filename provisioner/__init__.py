"""Bare-metal provisioning for GPU appliances: power, network boot, verified image, proven host."""

__version__ = "0.1.0"
