"""Acts on stages and minds deadlines: reads the store, does what a stage asks for, tells what came of it."""

from provisioner.worker.loop import serve

__all__ = ["serve"]
