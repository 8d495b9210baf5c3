"""``python -m exchanges.plugin_report``: which exchange plugins load and which are refused, as one line of JSON.

A process of its own, so that whoever starts the platform need not run a plugin's code to know it.
"""

from __future__ import annotations

import json
import logging

from exchanges.registry import registry


def main() -> None:
    # The report says it; the log would say it again.
    logging.disable()
    plugins = registry()
    # Entries come with the project's own first, which keep their usual ports.
    loaded = list(plugins.sources)
    print(json.dumps({"loaded": loaded, "refused": plugins.refused}), flush=True)


if __name__ == "__main__":
    main()
