"""How a text that is longer than a model's window is read all the same. Decisions only, no I/O."""
