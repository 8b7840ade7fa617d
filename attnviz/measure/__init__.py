"""Does the attention matter, and does it focus: measures with their baselines, interventions, verdicts."""
