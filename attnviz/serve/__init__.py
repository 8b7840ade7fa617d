"""The page: its server, its tabs, and what it remembers of its visitors."""
