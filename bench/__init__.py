"""Imaging against its peers, side by side in one run: `make bench`. No test depends on a timing."""
