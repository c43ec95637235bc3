"""Decides: what may begin, what happened, what a machine boots, why something is late."""
