"""What the numbers of each kind of map are called."""

QUANTITIES = {
    "effective_gain": "effective gain",
    "spatial_logit": "spatial logit",
    "gate": "gate",
    "spatial_gate": "spatial gate",
    "group_gate": "group gate",
    "position_row": "attention of a query",
    "position_column": "attention to a location",
    "position_received": "attention received",
    "rollout_row": "attention rollout of a query",
    "rollout_column": "attention rollout to a location",
    "rollout_received": "attention rollout received",
    "channel_output": "channel output",
    "channel_matrix": "channel attention",
    "channel_gate": "channel gate",
}


def quantity(kind: str) -> str:
    """What the numbers of a kind are, for people."""
    return QUANTITIES.get(kind, kind.replace("_", " "))
