"""What this machine gives: sockets, namespaces, neighbours, shipped files, units for people."""
