"""The HTTP API as models: what operators ask and what the service answers; web, client and CLI share them."""
