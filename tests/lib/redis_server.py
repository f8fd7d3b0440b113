# SPDX-License-Identifier: Apache-2.0
"""A Redis server of a test's own: every change is on disk before it is answered."""

import os
import subprocess

from cluster import HOST
from database import Database

PASSWORD = "a-secret"


class Redis(Database):
    NAME = "redis"

    def settings(self, driver="redis"):
        """Of a store that keeps everything here."""
        return {"SLUICE_DRIVER": driver, "SLUICE_REDIS_HOSTS": f"{HOST}:{self.port}", "SLUICE_REDIS_PASSWORD": PASSWORD}

    def command(self):
        return ["redis-server", "--port", str(self.port), "--bind", HOST, "--unixsocket", self.path("socket"),
                "--dir", self.directory, "--save", "", "--appendonly", "yes", "--appendfsync", "always",
                "--requirepass", PASSWORD]

    def answers(self):
        return self.client("PING").stdout.strip() == "PONG"

    def client(self, *words):
        return subprocess.run(["redis-cli", "-s", self.path("socket"), *words], capture_output=True, text=True,
                              env=dict(os.environ, REDISCLI_AUTH=PASSWORD))

    def ask(self, *words):
        """The answer of a command, as redis-cli prints it."""
        out = self.client(*words)
        assert out.returncode == 0, out.stderr
        return out.stdout.strip()
