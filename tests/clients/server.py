"""Starting and stopping the program under test."""

import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

import botocore.exceptions

ROOT = Path(__file__).resolve().parents[2]
BINARY = os.environ.get("PORTCULLIS_BINARY", str(ROOT / "target/debug/portcullis"))
READY_WITHIN_S = 60
ROOT_KEY = ("AKIAROOTOFTHETESTS00", "root/secret+of/the+client/tests")


def free_port():
    """A port that is free and stays so until the server listens, also over a restart: the kernel gives none of these to
    connections that go out."""
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(max(1_024, first - 12_000), first)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Server:
    """A `portcullis serve`, on loopback unless told, started by the words of `around` if there are any. Its log lies beside its
    data directory."""

    def __init__(
        self, data_dir, *arguments, scheme="http", host="127.0.0.1", port=None, root_key=True, environment=None, around=()
    ):
        self.data_dir = Path(data_dir)
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.url = f"{scheme}://{host}:{self.port}"
        self.log = self.data_dir.with_suffix(".log")
        environment = {"PATH": os.environ["PATH"]} | (environment or {})
        if root_key:
            names = ("PORTCULLIS_ROOT_ACCESS_KEY_ID", "PORTCULLIS_ROOT_SECRET_ACCESS_KEY")
            environment |= dict(zip(names, ROOT_KEY, strict=True))
        lasting = [] if "memory" in arguments else ["--data-dir", str(self.data_dir)]
        command = [*around, BINARY, "serve", "--listen", f"{host}:{self.port}", *lasting, *arguments]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def wait_until(self, answers):
        """Waits until `answers()` finds its connection or file; a server that ends instead is an error with its log."""
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}:\n{self.log.read_text()}")
            try:
                return answers()
            except (FileNotFoundError, botocore.exceptions.ConnectionError, botocore.exceptions.HTTPClientError):
                if time.monotonic() > deadline:
                    self.kill()
                    raise RuntimeError(f"no answer within {READY_WITHIN_S} s:\n{self.log.read_text()}") from None
                time.sleep(0.02)

    def stop(self):
        """SIGTERM; gives back the seconds it took to end."""
        start = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        return time.monotonic() - start

    def kill(self):
        self.process.kill()
        self.process.wait()
