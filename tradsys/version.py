"""The product's version, as every process reports it; ``pyproject.toml`` has the same."""

VERSION = "0.1.0"
