"""What DHCP, TFTP and DNS share: one reactor, its sockets, its log, its writer."""
