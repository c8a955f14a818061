"""Embeddings for clients: which model, in which batches. The pipeline's own embedding of a question
is the encoder's (retrieval/encoders) and none of this."""
