"""``python -m attnviz``."""

from attnviz.terminal.app import main

main()
