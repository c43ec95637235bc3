"""The site mirror: what images are built from, locked, fetched once and signed; the proof of the air gap."""
