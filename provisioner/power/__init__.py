"""Powers a host and sets what it boots next: one protocol, a module for each driver, a registry."""
