"""A scheme: how one publisher names and shapes the tensors of a network that this package also has."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]


def same_name(name: str) -> str:
    """The publisher's name where it is also ours."""
    return name


def same_shape(name: str, shape: Shape) -> Shape:
    """The publisher's shape where it is also ours."""
    return shape


@dataclass(frozen=True)
class Scheme:
    """How a publisher's checkpoint of one architecture looks.

    Attributes:
        name: For people, for example ``"BAM-ResNet (authors' code)"``.
        mark: Matches the beginning of names that no other scheme has.
        infer: The publisher's names and shapes -> the network's description. Never fails: what the shapes do not
            tell, or tell wrongly, becomes the usual value, and the comparison names what is missing.
        theirs: Our name of a tensor -> the publisher's; no two of ours become one.
        stored: Our name and shape -> the shape in the publisher's file, of the same number of elements.
        dropped: Matches whole names of parts that are known, only serve training, and are left out; None: no such.
    """

    name: str
    mark: re.Pattern[str]
    infer: Callable[[Shapes], dict[str, Any]]
    theirs: Callable[[str], str] = same_name
    stored: Callable[[str, Shape], Shape] = same_shape
    dropped: re.Pattern[str] | None = None

    def marked(self, shapes: Shapes) -> bool:
        """Whether any name can only be of this scheme."""
        return any(self.mark.match(name) for name in shapes)


def renamed(name: str, rules: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    """Replace the beginning of a name by the first rule that matches it.

    Args:
        name: A tensor's name.
        rules: Pattern for the beginning, and its replacement, as in `re.sub`.

    Returns:
        The new name, or the same where no rule matches.
    """
    for pattern, replacement in rules:
        if pattern.match(name):
            return pattern.sub(replacement, name, count=1)
    return name
