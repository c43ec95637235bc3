"""Burns in a host's GPUs; nothing of it needs the network. docs/burn-in.md says what is done and why."""
