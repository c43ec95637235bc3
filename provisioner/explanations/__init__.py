"""What each error code (PV-nnn) means and what to do, for the command line and for pages."""
