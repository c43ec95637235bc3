"""What Ubuntu's installer is told: a strict model of the answers, and the seed that carries them."""

from provisioner.cloudinit.autoinstall.seed import FILES, Request, build

__all__ = ["FILES", "Request", "build"]
