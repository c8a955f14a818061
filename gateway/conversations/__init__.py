"""Responses that were stored, so that others may continue them."""
