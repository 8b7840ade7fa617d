"""Every number that the shipped networks give for the sample photos stays what it was when first written down.

``tests/data/golden_maps.json`` was made on one machine. There, and with the same torch, the arrays must be the same to
the bit; other processors add in another order, so elsewhere samples of each array must agree but for rounding.
``python -m tests.test_golden_maps`` writes the file again, for networks or sample photos that are new.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import attnviz
from attnviz.results import Explanation

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "tests" / "data" / "golden_maps.json"
_CLOSE = 2e-4  # of an array's standard deviation: twenty layers of float32 added in another order


def machine() -> dict[str, str]:
    """What the last bits of a sum depend on."""
    processor = ""
    if Path("/proc/cpuinfo").is_file():
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        processor = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    capability = torch.backends.cpu.get_cpu_capability()
    return {"torch": torch.__version__, "capability": capability, "processor": processor}


def arrays_of(explanation: Explanation) -> dict[str, np.ndarray]:
    """All of its arrays by name."""
    found = {"network_image": explanation.network_image}
    found |= {f"maps/{label}": entry.values for label, entry in explanation.maps.items()}
    found |= {f"channel_logit/{stage.stage}": stage.channel_logit for stage in explanation.stages}
    position, channel, segmentation = explanation.position, explanation.channel, explanation.segmentation
    if position is not None:
        y, x = position.grid[0] // 2, position.grid[1] // 3
        found |= {"position/query": position.query, "position/key": position.key, "position/lse": position.log_sum_exp}
        found |= {"position/row": position.row(y, x), "position/column": position.column(y, x)}
    if channel is not None:
        found |= {"channel/matrix": channel.matrix, "channel/output": channel.output, "channel/effect": channel.effect}
    if segmentation is not None:
        found |= {f"segmentation/{head}": labels for head, labels in segmentation.labels.items()}
        found["segmentation/cells"] = segmentation.cells
    return found


def summary_of(array: np.ndarray) -> dict[str, Any]:
    """An array in a line: its hash, and numbers that tell how far another is off."""
    array = np.ascontiguousarray(array)
    flat = array.astype(np.float64).ravel()
    samples = flat[np.linspace(0, flat.size - 1, 8).astype(int)]
    return {
        "shape": list(array.shape),
        "dtype": str(array.dtype),
        "sha256": hashlib.sha256(array.tobytes()).hexdigest(),
        "mean": float(flat.mean()),
        "std": float(flat.std()),
        "samples": samples.tolist(),
    }


def explained(case: str) -> Explanation:
    """The explanation of ``"<model>/<sample>"``, on one thread: several may add in another order."""
    model, photo = case.split("/")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return attnviz.explain(ROOT / "assets" / photo, model, device="cpu")
    finally:
        torch.set_num_threads(threads)


def cases() -> list[str]:
    shipped = [name for name, entry in attnviz.list_models().items() if entry.status == "shipped"]
    return [f"{name}/{photo.name}" for name in shipped for photo in sorted((ROOT / "assets").glob("*.jpg"))]


GOLDEN = json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {"machine": {}, "explanations": {}}


def test_every_shipped_network_has_golden_numbers_for_every_sample():
    assert sorted(GOLDEN["explanations"]) == sorted(cases())


@pytest.mark.parametrize("case", GOLDEN["explanations"])
def test_the_numbers_are_what_they_were(case):
    then, now = GOLDEN["explanations"][case], explained(case)
    assert [prediction.category for prediction in now.predictions] == [name for name, _ in then["predictions"]]
    arrays = arrays_of(now)
    assert sorted(arrays) == sorted(then["arrays"])
    for name, expected in then["arrays"].items():
        found = summary_of(arrays[name])
        if GOLDEN["machine"] == machine() or name == "network_image":
            assert found == expected, f"{name} is not the same to the bit"
        else:
            assert (found["shape"], found["dtype"]) == (expected["shape"], expected["dtype"])
            if expected["dtype"] == "float32":
                difference = np.abs(np.subtract(found["samples"], expected["samples"])).max()
                assert difference <= _CLOSE * max(expected["std"], 1e-6), name


def write() -> None:
    found = {}
    for case in cases():
        explanation = explained(case)
        found[case] = {
            "predictions": [[entry.category, entry.probability] for entry in explanation.predictions],
            "arrays": {name: summary_of(array) for name, array in arrays_of(explanation).items()},
        }
    lines = ",\n".join(f"{json.dumps(case)}:{json.dumps(value)}" for case, value in found.items())
    FILE.write_text(f'{{"machine":{json.dumps(machine())},\n"explanations":{{\n{lines}\n}}}}\n', encoding="utf-8")


if __name__ == "__main__":
    write()
