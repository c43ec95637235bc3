"""The service as processes: what is looked at before, one for each service, a parent that watches."""

from provisioner.daemon.parent import serve
from provisioner.daemon.service import serve_one
from provisioner.daemon.start import initialize

__all__ = ["initialize", "serve", "serve_one"]
