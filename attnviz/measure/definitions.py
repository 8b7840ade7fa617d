"""What each number of the evidence is: title with unit or range, definition, what to compare it with, source.

One place for page, exported file, terminal and Python, so that no number is shown anywhere without its meaning.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

_OWN = "attnviz"  # no paper defines it so


@dataclass(frozen=True)
class Measure:
    """What a number means.

    Attributes:
        title: For people, with unit or range.
        low: Smallest value it can take; None: there is none.
        high: Largest value it can take; None: there is none.
        definition: In one sentence.
        compare: What chance, an even map or the untouched network gives, and which way is better.
        source: Of the definition: a paper's address, a name, or that it is this program's own.
    """

    title: str
    low: float | None
    high: float | None
    definition: str
    compare: str
    source: str = _OWN


_MASS = "the map read as mass: its values minus the quantity's floor, or minus their minimum where it has none"
FOCUS: Mapping[str, Measure] = {
    "entropy": Measure(
        "entropy (0 to 1)",
        0,
        1,
        f"Shannon entropy over its maximum, ln of the cells; {_MASS}.",
        "1: even; less is more focused.",
        "C. Shannon 1948",
    ),
    "gini": Measure(
        "Gini index (0 to 1)",
        0,
        1,
        "Half the mean difference of mass between two cells over its mean.",
        "0: even; more is more focused.",
        "arXiv 0811.4706",
    ),
    "half_mass_area": Measure(
        "area of half the mass (share)",
        0,
        0.5,
        "Smallest share of the area with half the mass.",
        "0.5: even; less is more focused.",
    ),
    "centroid_x": Measure(
        "centroid from the left (share)",
        0,
        1,
        "Mean place of the mass, over the map's width.",
        "0.5: even, or in the middle.",
    ),
    "centroid_y": Measure(
        "centroid from the top (share)",
        0,
        1,
        "Mean place of the mass, over the map's height.",
        "0.5: even, or in the middle.",
    ),
    "drift": Measure(
        "drift of the centroid (share)",
        0,
        math.sqrt(2),
        "Distance of the centroid from that of the map before of the same kind, in shares of the sides.",
        "0: it stays.",
    ),
    "border_share": Measure(
        "mass at the border (share)",
        0,
        1,
        "Share of the mass in the outermost ring of cells.",
        "That of the even map; less is less at the border.",
    ),
    "mass_over_area": Measure(
        "mass inside over area (×)",
        0,
        None,
        "Share of the mass inside of the object over the object's share of the area.",
        "1: even; more is better.",
    ),
    "roc_auc": Measure(
        "ROC-AUC (0 to 1)",
        0,
        1,
        "Chance that a cell inside of the object has a larger value than one outside.",
        "0.5 by chance; more is better.",
    ),
    "ring_auc": Measure(
        "ROC-AUC within rings (0 to 1)",
        0,
        1,
        "The same among cells at the same distance to the centre alone.",
        "0.5 by chance, and next to it for the centre prior; more is better.",
    ),
    "points_inside": Measure(
        "pointing game (0 or 1)",
        0,
        1,
        "Whether the largest value lies inside of the object.",
        "The even map's: the object's share of the cells.",
        "arXiv 1608.00507",
    ),
}
BASELINES: Mapping[str, str] = {
    "uniform": "a map that is the same everywhere",
    "centre": "a Gaussian in the middle of the picture, a quarter of each side wide",
    "shuffled": "the same network with each layer's weights shuffled, on the same photo",
}
EFFECTS: Mapping[str, Measure] = {
    "moved": Measure(
        "answer moved (share)",
        0,
        1,
        "Total variation between the answers with and without the intervention: the share of the probability that goes "
        "to other categories, or of the pixels that change their class.",
        "0: the untouched network; under 0.01 counts as no effect.",
    ),
    "before": Measure(
        "probability, untouched (0 to 1)",
        0,
        1,
        "Of the category, by the untouched network.",
        "Softmax over all categories.",
    ),
    "after": Measure(
        "probability, changed (0 to 1)",
        0,
        1,
        "Of the same category, with the intervention.",
        "The untouched network's.",
    ),
    "log_likelihood_change": Measure(
        "change of the log-likelihood (nats)",
        None,
        None,
        "Logarithm of the first category's probability with the intervention, less that without.",
        "0: untouched; below 0 the category became less likely.",
    ),
    "mean_iou": Measure(
        "mean IoU, before and after (0 to 1)",
        0,
        1,
        "Intersection over union of each class's pixels before and after, mean over the classes that occur in either.",
        "1: nothing changed.",
    ),
}
FAITHFULNESS: Mapping[str, Measure] = {
    "deletion_area": Measure(
        "deletion area (0 to 1)",
        0,
        1,
        "Area under the category's probability while the places that the map calls important become the mean colour.",
        "The random map's and the centre prior's; lower is better.",
        "arXiv 1806.07421",
    ),
    "insertion_area": Measure(
        "insertion area (0 to 1)",
        0,
        1,
        "The same while those places become sharp in a blurred picture.",
        "The random map's and the centre prior's; higher is better.",
        "arXiv 1806.07421",
    ),
    "road": Measure(
        "ROAD (-0.5 to 0.5)",
        -0.5,
        0.5,
        "Half the mean difference of the probability between filling in the least and the most important places.",
        "0 by chance; higher is better.",
        "arXiv 2202.00449",
    ),
    "infidelity": Measure(
        "infidelity (logits squared)",
        0,
        None,
        "How badly the map, in its best unit, tells the fall of the logit when a square is covered.",
        "The random map's; lower is better.",
        "arXiv 1901.09392",
    ),
    "sensitivity": Measure(
        "sensitivity (0 and up)",
        0,
        None,
        "Largest relative change of the map under noise that nobody sees; a dash: not measured.",
        "0: the map stays the same; lower is steadier.",
        "arXiv 1901.09392",
    ),
    "agreement": Measure(
        "rank agreement (-1 to 1)",
        -1,
        1,
        "Spearman's rank correlation between two maps.",
        "0 by chance; 1: the same order; -1: the opposite order.",
        "C. Spearman 1904",
    ),
}
POSITIONS: Mapping[str, Measure] = {
    "gamma": Measure(
        "γ",
        None,
        None,
        "The weight with which the attended features are added.",
        "0: the network ignores it.",
        "arXiv 1809.02983",
    ),
    "total_variation": Measure(
        "total variation between rows (0 to 1)",
        0,
        1,
        "Mean over pairs of queries of half the difference of their rows.",
        "0: all look at the same places; 1: at none in common.",
    ),
    "own_class": Measure(
        "mass on the own class over its share (×)",
        0,
        None,
        "How much more a place looks at its own predicted class than that class's share of the picture.",
        "1: spread evenly.",
    ),
    "sink_mass": Measure(
        "mass on the strongest 1 % (share)",
        0,
        1,
        "Share of all attention that the 1 % of the places receive which receive the most.",
        "0.01: even.",
    ),
    "compactness_before": Measure(
        "spread of the features before (0 and up)",
        0,
        None,
        "Variance within the classes over that between them, of what enters the module.",
        "Smaller is more compact.",
    ),
    "compactness_after": Measure(
        "spread of the features after (0 and up)",
        0,
        None,
        "The same of what leaves the module.",
        "That before; smaller is more compact.",
    ),
}
PEOPLE: Mapping[str, Measure] = {
    "gaze_auc": Measure(
        "AUC-Judd (0 to 1, chance 0.5)",
        0,
        1,
        "Chance that a place that was looked at has a larger value than any other place of the picture.",
        "0.5 by chance; the centre prior's, and that of the other viewers, which is about the most.",
        "saliency.tuebingen.ai",
    ),
    "shuffled_auc": Measure(
        "shuffled AUC (0 to 1, chance 0.5)",
        0,
        1,
        "The same against the places that were looked at on all other pictures.",
        "0.5 by chance, and next to it for the centre prior; more is better.",
        "saliency.tuebingen.ai",
    ),
    "nss": Measure(
        "NSS (standard deviations, chance 0)",
        None,
        None,
        "Mean at the fixations of the map with mean 0 and standard deviation 1.",
        "0 by chance; more is better.",
        "saliency.tuebingen.ai",
    ),
    "kl": Measure(
        "KL divergence (nats, lower is better)",
        0,
        None,
        "Kullback-Leibler divergence of the density of fixations (blurred by 3 % of the width) from the map.",
        "The even map's and the centre prior's; 0: the map is the density.",
        "arXiv 1604.03605",
    ),
    "correlation": Measure(
        "correlation with the fixation density (-1 to 1)",
        -1,
        1,
        "Pearson's correlation of the map with the density of fixations.",
        "0 by chance; more is better.",
        "arXiv 1604.03605",
    ),
}
ANSWERS: Mapping[str, Measure] = {
    "right": Measure(
        "top-1 (%)",
        0,
        100,
        "Photos whose label is the network's first category.",
        "Chance: 100 over the number of categories.",
    ),
    "log_likelihood": Measure(
        "log-likelihood of the label (nats)",
        None,
        0,
        "Logarithm of the label's probability.",
        "Chance: minus the logarithm of the number of categories; 0 is best.",
    ),
    "overlap": Measure(
        "mean IoU (%)",
        0,
        100,
        "Intersection over union of true and predicted pixels of all photos together, mean over the classes.",
        "Another network's; 100 is best.",
    ),
    "costs": Measure(
        "costs, of the same",
        None,
        None,
        "The untouched network's number less that with the intervention, photo by photo.",
        "0: the attention is not needed; an interval that holds 0: not shown to cost anything.",
    ),
}
DEFINITIONS: Mapping[str, Measure] = {**FOCUS, **EFFECTS, **FAITHFULNESS, **POSITIONS}


def definitions_json() -> dict[str, dict[str, object]]:
    """All definitions as JSON has them: name of the number -> its `Measure`."""
    return {name: asdict(measure) for name, measure in DEFINITIONS.items()}
