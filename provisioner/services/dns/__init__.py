"""DNS: codec, zone and loop."""
