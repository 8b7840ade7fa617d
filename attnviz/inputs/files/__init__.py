"""What the bytes of a file are, and what hostile ones may not do."""
