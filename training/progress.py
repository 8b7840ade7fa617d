"""What a person sees while a run goes on: one line with the share done and the loss."""

from types import TracebackType

from torch import Tensor
from tqdm import tqdm

from training.run_state import Run


class ProgressBar:
    """Share of the run that is done, in %, and the loss averaged over the last steps.

    Args:
        hidden: True in all processes but the first.
        keep: Share of the old average that each step keeps.
    """

    def __init__(self, *, hidden: bool, keep: float = 0.98) -> None:
        layout = "{l_bar}{bar}| {elapsed}<{remaining} {postfix}"
        self._bar = tqdm(total=100, unit="%", bar_format=layout, mininterval=10, disable=hidden)
        self._keep = keep
        self._loss: float | None = None

    def show(self, run: Run, loss: Tensor) -> None:
        """Show the state after a step whose loss was `loss`."""
        now = float(loss)
        self._loss = now if self._loss is None else self._keep * self._loss + (1 - self._keep) * now
        self._bar.n = round(100 * run.budget.progress, 2)
        self._bar.set_postfix_str(f"step {run.budget.step} loss {self._loss:.3f}", refresh=False)
        self._bar.update(0)

    def __enter__(self) -> "ProgressBar":
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the line as it is and go to the next."""
        self._bar.close()
