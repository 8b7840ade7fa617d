"""How the shipped weights were made, runnable again: pack, train, evaluate, finish."""
