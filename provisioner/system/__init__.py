"""What this machine gives: sockets, namespaces, neighbours, shipped files; words and units for people."""
