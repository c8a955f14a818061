"""/v1/vector_stores: collections that clients make of their own files, and search."""
