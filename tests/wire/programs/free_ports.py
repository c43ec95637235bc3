"""Binds every port of the service once: free_ports. Fails with the port that is still taken."""

import socket

from provisioner.system.sockets import bind

UDP, TCP = socket.SOCK_DGRAM, socket.SOCK_STREAM

for kind, port in ((UDP, 67), (UDP, 69), (UDP, 53), (TCP, 53), (TCP, 80)):
    probe = socket.socket(socket.AF_INET, kind)
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind == TCP))
    bind(probe, ("10.77.0.1", port), "the ended service")
