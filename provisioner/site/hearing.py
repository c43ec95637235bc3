"""By which path the worker asks whether machines are heard; the web service counts it as nobody's request."""

PATH = "/agent/v1/"  # where reports are sent; whoever has no token is answered 404, which is an answer
