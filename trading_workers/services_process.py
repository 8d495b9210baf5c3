"""``python -m trading_workers.services_process``: reference data, licences, compliance, settlement and strategies over gRPC."""

from __future__ import annotations

import os
import sys

import django

from tradsys.configuration import Configuration, ConfigurationError
from tradsys.mesh.config.reading import MeshConfigError
from tradsys.mesh.telemetry.process import TelemetryError, run_with_telemetry
from tradsys.mesh.tokens import KeyUnreadable


def main() -> int:
    try:
        configuration = Configuration.from_environment()
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradsys.settings")
        django.setup()
        from trading_workers.grpc_services.process import PROCESS, serve  # models exist only after the apps are loaded

        return run_with_telemetry(PROCESS, configuration, lambda: serve(configuration))
    except (ConfigurationError, MeshConfigError, KeyUnreadable, TelemetryError, OSError) as error:
        print(f"the services cannot start: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
