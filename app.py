"""Serve the page: ``python app.py``, then open http://127.0.0.1:7860. ``PORT`` and ``HOST`` change the address."""

import os

from attnviz.serve.ui import build_ui, serve

if __name__ == "__main__":
    serve(build_ui(), host=os.environ.get("HOST", "127.0.0.1"), port=int(os.environ.get("PORT", "7860")))
