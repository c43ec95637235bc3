"""Probes the service's address where no network leads to it; prints what the system says."""

from provisioner.domain.bootfiles import TftpFile
from provisioner.services.tftp.probe import probe

try:
    probe("10.77.0.1", TftpFile("snponly.efi", 1, "00"))
except OSError as fault:
    print(fault.strerror)
