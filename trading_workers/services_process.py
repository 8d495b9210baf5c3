"""``python -m trading_workers.services_process``: reference data, licences, compliance, settlement and strategies over gRPC."""

from __future__ import annotations

import os
import sys

import django

from trading_workers.mesh_process import CANNOT_HOST
from tradsys.configuration import Configuration, ConfigurationError
from tradsys.mesh.telemetry.process import run_with_telemetry


def main() -> int:
    try:
        configuration = Configuration.from_environment()
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradsys.settings")
        django.setup()
        from trading_workers.grpc_services.process import PROCESS, serve  # models exist only after the apps are loaded

        return run_with_telemetry(PROCESS, configuration, lambda: serve(configuration), serves=True)
    except (ConfigurationError, *CANNOT_HOST) as error:
        print(f"the services cannot start: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
