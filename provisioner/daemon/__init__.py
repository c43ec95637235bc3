"""The service as processes: what is looked at before, one for each service, a parent that watches."""

from provisioner.daemon.parent import serve
from provisioner.daemon.service import serve_forks, serve_one
from provisioner.daemon.standalone import prepare_alone
from provisioner.daemon.start import initialize

__all__ = ["initialize", "prepare_alone", "serve", "serve_forks", "serve_one"]
