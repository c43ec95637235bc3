"""The service's HTTP API as typed calls: `Client(socket=…).hosts()`."""

from provisioner.client.calls import Client

__all__ = ["Client"]
