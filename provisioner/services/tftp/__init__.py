"""TFTP: codec, policy and loop."""
