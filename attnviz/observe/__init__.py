"""One forward pass, watched: which sites there are, what they computed, what a run will take."""
