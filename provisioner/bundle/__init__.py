"""The bundle: all that a site without network installs from, as one signed file."""
