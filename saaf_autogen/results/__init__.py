"""What is done with a result before a caller sees it."""
