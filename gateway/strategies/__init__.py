"""Answers that take several calls: each strategy a few lines over the same dispatch."""
