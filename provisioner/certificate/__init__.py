"""The certificate of a host's acceptance: the signed report as JSON, PDF and HTML, and how it is verified."""
