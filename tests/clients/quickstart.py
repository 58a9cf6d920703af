"""The quickstart, kept running: a server and an agent on an engine."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

from account import Account
from server import BINARY, free_port

READY_WITHIN_S = 120


class Quickstart:
    def __init__(self, engine, log, around=()):
        self.log, self.is_wrapped = log, bool(around)
        command = [*around, BINARY, "quickstart", "--keep", "--engine", engine, "--listen", f"127.0.0.1:{free_port()}"]
        environment = {name: os.environ[name] for name in ("PATH", "DOCKER_HOST") if name in os.environ}
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )

    def __enter__(self):
        try:
            self.administrator = self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _wait(self):
        deadline = time.monotonic() + READY_WITHIN_S
        while not re.search(r"^export AWS_SECRET_ACCESS_KEY=.+\n", self.log.read_text(), re.MULTILINE):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the quickstart did not get to its end:\n{self.log.read_text()}")
            time.sleep(0.05)
        exported = dict(re.findall(r"^export (\w+)=(.+)$", self.log.read_text(), re.MULTILINE))
        key = {
            "aws_access_key_id": exported["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": exported["AWS_SECRET_ACCESS_KEY"],
        }
        return Account(exported["AWS_ENDPOINT_URL"], key, exported["AWS_DEFAULT_REGION"])

    def _program(self):
        """What is around it does not pass signals on."""
        own = self.process.pid
        children = Path(f"/proc/{own}/task/{own}/children").read_text().split() if self.is_wrapped else []
        return [int(pid) for pid in children] or [own]

    def __exit__(self, *_):
        if self.process.poll() is None:
            for pid in self._program():
                os.kill(pid, signal.SIGINT)
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
