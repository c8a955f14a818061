"""Texts that are longer than the window: read in parts by several calls, or quoted from."""
