"""HTTP/1.1 as a client, and server-sent events: what the hot path to a model is made of."""
