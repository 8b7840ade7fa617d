"""An export on a Ray cluster of one machine, of which a worker is killed in the middle; run by test_ray_cluster.py.

python -m tests.bulk.ray_run PHOTOS OUT
"""

import os
import signal
import sys
from functools import partial
from pathlib import Path

from attnviz.bulk.export import export_photos
from attnviz.bulk.network_actor import NetworkActor
from attnviz.bulk.ray_cluster import ray_data, run_on_ray
from tests.bulk.made import settings


class DyingActor(NetworkActor):
    """Is killed, once in a run, after its photos are done and before its part is written."""

    def results(self, photos):
        """The same as ever, but for one time."""
        found = super().results(photos)
        mark = self._out / "killed"
        if (self._out / "table").exists() and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return found


def main() -> None:
    photos, out = sys.argv[1:]
    ray, _ = ray_data(alone=True)
    ray.init("local", num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False)
    state = export_photos([photos], Path(out), settings(), engine=partial(run_on_ray, actor=DyingActor, workers=1))
    print(state.done, *(refusal.path for refusal in state.refused))
    print("answers at", *(node["NodeManagerAddress"] for node in ray.nodes()))


if __name__ == "__main__":
    main()
