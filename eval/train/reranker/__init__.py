"""Trains the reader: a small cross-encoder with a head for relevance and one for answers."""
