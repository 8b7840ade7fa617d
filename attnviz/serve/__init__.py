"""What people touch: the page, the command line, exports.

Importing this package sets the environment in which Gradio stays on this machine (it reads these names when it is
imported, and otherwise looks hosts up at start). Values that are already set are left alone.
"""

import os

OFFLINE = {
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_ANALYTICS_CACHE_FREQUENCY": "1000000000",  # no table of all events after every event: nobody can see it
    "GRADIO_ANALYTICS_MAX_EVENTS": "100",
    "GRADIO_RUN_HISTORY": "False",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}

for _name, _value in OFFLINE.items():
    os.environ.setdefault(_name, _value)
