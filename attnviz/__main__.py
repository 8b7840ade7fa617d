"""``python -m attnviz``."""

from attnviz.serve.cli import main

main()
