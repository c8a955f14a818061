"""Files that clients upload, and the stores of vectors that they make of them."""
