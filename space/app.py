"""The page as a hosted Space: any host name, and its own site may show it in a frame. Change ``FRAME`` to yours."""

import os
import sys

from attnviz.terminal.app import main

FRAME = "https://huggingface.co"

if __name__ == "__main__":
    address = ["--host", os.environ.get("HOST", "0.0.0.0"), "--port", os.environ.get("PORT", "7860")]
    sys.argv[1:] = ["serve", *address, "--allow-frame", FRAME]
    main()
