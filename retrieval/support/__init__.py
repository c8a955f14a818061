"""How well the sentences of found passages support a question, by words alone: no encoder."""
