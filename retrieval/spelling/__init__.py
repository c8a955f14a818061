"""Words of a question that no document has, and what the documents have near them."""
