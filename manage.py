#!/usr/bin/env python
"""Runs management commands."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradsys.settings")
    from django.core.management import ManagementUtility

    from tenants.kernel.commands import scope_of_command
    from tradsys.configuration import ConfigurationError

    try:
        with scope_of_command(sys.argv):
            ManagementUtility(sys.argv).execute()
    except ConfigurationError as error:
        sys.exit(f"manage.py: {error}")


if __name__ == "__main__":
    main()
