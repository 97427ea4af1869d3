"""`heatbook api` on a port that another program has: an error that says what to do, before anything else is started."""

import os
import socket
import subprocess
import sys
from pathlib import Path


def test_a_taken_port_ends_the_command_with_its_reason(tmp_path: Path, database_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        environment = os.environ | {"HEATBOOK_DATA": str(tmp_path), "HEATBOOK_DATABASE_URL": database_url}
        command = [sys.executable, "-m", "api.cli.main", "api", "--port", str(port)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"port.taken: 127.0.0.1:{port}" in done.stderr
    assert "choose another HEATBOOK_PORT" in done.stderr
