"""What hosts fetch and report: boot scripts, images, the agent's and the installer's messages."""
