"""A plugin whose factory fails."""

raise RuntimeError("the factory of this plugin fails")
