# SPDX-License-Identifier: Apache-2.0
"""A Redis server of a test's own: data in a temporary directory, a free port of the loopback, every
change on disk before it is answered, killed and started again on demand."""

import os
import shutil
import signal
import subprocess
import tempfile

from cluster import HOST, await_true, free_ports

PASSWORD = "a-secret"


class Redis:
    """with Redis() as db: Cluster(per={"store": db.settings()}) ..., db.kill(), db.start()
    options: further ones of redis-server."""

    def __init__(self, *options):
        self.directory = tempfile.mkdtemp(prefix="sluice-redis-")
        self.port, self.options, self.process = free_ports(1)[0], options, None

    def path(self, name):
        return os.path.join(self.directory, name)

    def settings(self, driver="redis"):
        """Of a store that keeps everything here."""
        return {"SLUICE_DRIVER": driver, "SLUICE_REDIS_HOSTS": f"{HOST}:{self.port}", "SLUICE_REDIS_PASSWORD": PASSWORD}

    def start(self, wait=True):
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen(
                ["redis-server", "--port", str(self.port), "--bind", HOST, "--unixsocket", self.path("socket"),
                 "--dir", self.directory, "--save", "", "--appendonly", "yes", "--appendfsync", "always",
                 "--requirepass", PASSWORD, *self.options], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if wait:
            await_true(f"redis-server in {self.directory} answers", self.answers, 60)
        return self

    def answers(self):
        assert self.process.poll() is None, self.log()[-3000:]
        return self.client("PING").stdout.strip() == "PONG"

    def client(self, *words):
        return subprocess.run(["redis-cli", "-s", self.path("socket"), *words], capture_output=True, text=True,
                              env=dict(os.environ, REDISCLI_AUTH=PASSWORD))

    def ask(self, *words):
        """The answer of a command, as redis-cli prints it."""
        out = self.client(*words)
        assert out.returncode == 0, out.stderr
        return out.stdout.strip()

    def kill(self, sig=signal.SIGKILL):
        self.process.send_signal(sig)
        if sig == signal.SIGKILL:
            self.process.wait()

    def rss_kb(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(next(line for line in status if line.startswith("VmRSS")).split()[1])

    def log(self):
        with open(self.path("log"), errors="replace") as f:
            return f.read()

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)
