"""Runs schemathesis, an API fuzzer that nobody here wrote, against /openapi.json of a real server.

Starts the doorbook binary on a temporary directory and a free loopback port, makes a gathering with two
participants, and runs twice: with ids that schemathesis makes up, and with ids that exist, so that it gets
behind the 404s. Deterministic: the same binary and the same requirements give the same run. Exits with 0
when no answer was a server error or outside the schema.

    python run.py path/to/doorbook [--examples N]
"""

import argparse
import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

READY_WITHIN_SECONDS = 60
RUN_WITHIN_SECONDS = 600
STOP_WITHIN_SECONDS = 20
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("doorbook", type=pathlib.Path)
    arguments.add_argument("--examples", type=int, default=12, help="test cases per operation")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="doorbook-schemathesis-") as folder:
        data = pathlib.Path(folder, "data")
        base = f"http://127.0.0.1:{free_port()}"
        token = mint(options.doorbook, data)
        with open(pathlib.Path(folder, "server.log"), "w+b") as log:
            server = subprocess.Popen(
                [options.doorbook, "serve", "--data", data, "--listen", base.removeprefix("http://")],
                stdout=log,
                stderr=log,
            )
            try:
                wait_until_ready(server, base)
                results = [
                    fuzz(base, token, options.examples, {}, folder),
                    fuzz(base, token, options.examples, existing_ids(base, token), folder),
                ]
                if server.poll() is not None:
                    print(f"the server ended with {server.returncode}")
                    results.append(1)
            finally:
                stop(server)
            failed = any(results) or server.returncode != 0
            if failed:
                log.seek(0)
                print("the last lines of the server's log:")
                print(b"".join(log.readlines()[-40:]).decode(errors="replace"))
    return 1 if failed else 0


def fuzz(base: str, token: str, examples: int, parameters: dict[str, str], folder: str) -> int:
    """One run; `parameters` replaces made-up values, by place and name."""
    # A read that asks for an offset that is far ahead waits and is then told to try again, by design.
    parameters = {"header.X-Min-Offset": "0"} | parameters
    config = pathlib.Path(folder, "schemathesis.toml")
    lines = ["[parameters]"] + [f"{json.dumps(name)} = {json.dumps(value)}" for name, value in parameters.items()]
    config.write_text("\n".join(lines) + "\n")
    command = [
        sys.executable, "-m", "schemathesis.cli",
        "--config-file", str(config),
        "run", f"{base}/openapi.json",
        "--header", f"Authorization: Bearer {token}",
        "--checks", CHECKS,
        "--max-examples", str(examples),
        "--generation-deterministic",
        "--seed", "1",
        "--request-timeout", "40",
        "--suppress-health-check", "all",
        "--warnings", "off",
        "--no-color",
    ]  # fmt: skip
    print("schemathesis with", "ids that exist" if "path.event_id" in parameters else "made-up ids", flush=True)
    return subprocess.run(command, timeout=RUN_WITHIN_SECONDS, cwd=folder).returncode


def existing_ids(base: str, token: str) -> dict[str, str]:
    gathering = call(base, token, "/api/events/", {"name": "Fuzzed", "start_date": "2026-05-01T18:00:00Z"})
    event_id = gathering["id"]
    person = {"first_name": "Zoë", "last_name": "Invented", "email": "zoe@example.org"}
    participant = call(base, token, f"/api/events/{event_id}/register/", person)
    return {"path.event_id": event_id, "path.event_pax_id": participant["event_pax_id"]}


def call(base: str, token: str, path: str, body: dict) -> dict:
    request = urllib.request.Request(
        base + path,
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def mint(doorbook: pathlib.Path, data: pathlib.Path) -> str:
    command = [doorbook, "token", "--sub", "schemathesis", "--role", "superuser", "--ttl", "2h", "--data", data]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout.strip()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_ready(server: subprocess.Popen, base: str) -> None:
    deadline = time.monotonic() + READY_WITHIN_SECONDS
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise SystemExit(f"the server ended with {server.returncode} before it was ready")
        try:
            with urllib.request.urlopen(f"{base}/readyz", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise SystemExit("the server was not ready in time")


def stop(server: subprocess.Popen) -> None:
    if server.poll() is None:
        server.terminate()
    try:
        server.wait(STOP_WITHIN_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


if __name__ == "__main__":
    sys.exit(main())
