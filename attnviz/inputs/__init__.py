"""From bytes to a network's input, and the exact geometry between the two."""
