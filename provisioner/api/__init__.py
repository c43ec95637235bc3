"""The HTTP API as models: what operators ask and what the service answers; web, client and CLI share them."""

ROOT = "/api/v1"  # the path below which all of it lies
SCHEMA_VERSION = 1  # of answers, and of what the command line prints as data
