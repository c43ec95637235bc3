"""DHCP: codec, policy and loop."""
