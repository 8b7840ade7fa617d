"""Serve the page: ``python app.py``, then open http://127.0.0.1:7860. ``PORT`` and ``HOST`` change the address."""

import os
import sys

from attnviz.terminal.app import main

if __name__ == "__main__":
    address = ["--host", os.environ.get("HOST", "127.0.0.1"), "--port", os.environ.get("PORT", "7860")]
    sys.argv[1:] = ["serve", *address, *sys.argv[1:]]
    main()
