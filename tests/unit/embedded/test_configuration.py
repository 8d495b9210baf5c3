"""Settings from variables and from the file a running platform leaves."""

from pathlib import Path

import pytest

from tradsys.configuration import Address, Configuration, ConfigurationError, environment_file
from tradsys.embedded.secret_files import ensure_secrets


def test_unset_variables_lead_to_the_usual_ports_of_this_machine(tmp_path: Path) -> None:
    configuration = Configuration.from_environment({"TRADSYS_VAR": str(tmp_path)})
    assert configuration.web_address == Address("127.0.0.1", 8000)
    assert dict(configuration.venues) == {"EGX": Address("127.0.0.1", 9101), "ADX": Address("127.0.0.1", 9102)}
    assert configuration.debug is False


def test_a_variable_wins_over_the_file_of_the_running_platform(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    environment_file(tmp_path).write_text("TRADSYS_REDIS_URL=redis://file\nTRADSYS_WEB_ADDRESS=127.0.0.1:8001\n", encoding="utf-8")
    configuration = Configuration.from_environment({"TRADSYS_VAR": str(tmp_path), "TRADSYS_REDIS_URL": "redis://variable"})
    assert configuration.redis_url == "redis://variable"
    assert configuration.web_address.port == 8001


@pytest.mark.parametrize(
    ("variable", "text", "complaint"),
    [
        ("TRADSYS_WEB_ADDRESS", "localhost", "not host:port"),
        ("TRADSYS_WEB_ADDRESS", "localhost:0", "not host:port"),
        ("TRADSYS_WEB_ADDRESS", "localhost:70000", "not host:port"),
        ("TRADSYS_VENUES", "EGX", "not name=host:port"),
        ("TRADSYS_VENUES", "EGX=h:1,EGX=h:2", "named twice"),
        ("TRADSYS_ORDER_WORKERS", "worker-1=h:x", "not host:port"),
        ("TRADSYS_DEBUG", "perhaps", "neither 1 nor 0"),
    ],
)
def test_a_value_that_cannot_be_read_is_refused_by_name(tmp_path: Path, variable: str, text: str, complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{variable}.*{complaint}"):
        Configuration.from_environment({"TRADSYS_VAR": str(tmp_path), variable: text})


def test_a_line_of_the_file_that_is_no_assignment_is_refused_with_its_number(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    environment_file(tmp_path).write_text("# written by a start\n\nnonsense\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="line 3"):
        Configuration.from_environment({"TRADSYS_VAR": str(tmp_path)})


def test_a_missing_or_empty_secret_key_is_refused(tmp_path: Path) -> None:
    configuration = Configuration.from_environment({"TRADSYS_VAR": str(tmp_path)})
    with pytest.raises(ConfigurationError, match="cannot be read"):
        configuration.secret_key()
    ensure_secrets(configuration.secrets)
    assert len(configuration.secret_key()) > 50
    configuration.secret_key_file.write_text("\n", encoding="ascii")
    with pytest.raises(ConfigurationError, match="is empty"):
        configuration.secret_key()
