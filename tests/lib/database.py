# SPDX-License-Identifier: Apache-2.0
"""A database server of a test's own, whatever its kind: data in a temporary directory, a free port of the
loopback, killed and started again on demand. mariadb.py and redis_server.py say which."""

import os
import shutil
import signal
import subprocess
import tempfile

from cluster import await_true, free_ports


class Database:
    """with MariaDB() as db: Cluster(per={"store": db.settings()}) ..., db.kill(), db.start()
    Of a kind: NAME, command(), answers(). options: further ones of its server."""

    NAME = ""

    def __init__(self, *options):
        self.directory = tempfile.mkdtemp(prefix=f"sluice-{self.NAME}-")
        self.port, self.options, self.process = free_ports(1)[0], options, None
        # Not the common one: a MariaDB that starts removes there what another has for the moment.
        self.env = dict(os.environ, TMPDIR=self.directory)

    def path(self, name):
        return os.path.join(self.directory, name)

    def start(self, wait=True):
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen([*self.command(), *self.options], env=self.env, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        if wait:
            await_true(f"{self.NAME} in {self.directory} answers", self.is_up, 120)
        return self

    def is_up(self):
        assert self.process.poll() is None, self.log()[-3000:]
        return self.answers()

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
