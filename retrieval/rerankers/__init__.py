"""Question and passage read together: by the packaged reader, another model, or an endpoint."""
