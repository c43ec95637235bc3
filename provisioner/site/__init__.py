"""The deployment LAN: its settings, memory and clock as one bundle; who is on it; its templates."""
