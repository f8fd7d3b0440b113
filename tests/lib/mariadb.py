# SPDX-License-Identifier: Apache-2.0
"""A MariaDB server of a test's own: data in a temporary directory, a free port of the loopback,
killed and started again on demand."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile

from cluster import HOST, await_true, free_ports

USER, PASSWORD, DATABASE = "sluice", "a 'secret\"", "sluice"


class MariaDB:
    """with MariaDB() as db: Cluster(per={"store": db.settings()}) ..., db.kill(), db.start()
    options: further ones of mariadbd."""

    def __init__(self, *options):
        self.directory = tempfile.mkdtemp(prefix="sluice-mariadb-")
        self.port, self.options, self.process = free_ports(1)[0], options, None
        self.user = pwd.getpwuid(os.getuid()).pw_name
        out = subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={self.path('data')}",
                              f"--user={self.user}", "--auth-root-authentication-method=normal", "--skip-test-db"],
                             capture_output=True, text=True)
        assert out.returncode == 0, out.stdout + out.stderr
        with open(self.path("init.sql"), "w") as f:
            quoted = PASSWORD.replace("'", "''")
            f.write(f"CREATE USER IF NOT EXISTS {USER}@'%' IDENTIFIED BY '{quoted}';\n"
                    f"GRANT ALL ON {DATABASE}.* TO {USER}@'%';\n")

    def path(self, name):
        return os.path.join(self.directory, name)

    def settings(self, driver="mysql"):
        """Of a store that keeps everything here."""
        return {"SLUICE_DRIVER": driver, "SLUICE_MYSQL_HOSTS": f"{HOST}:{self.port}", "SLUICE_MYSQL_USER": USER,
                "SLUICE_MYSQL_PASSWORD": PASSWORD, "SLUICE_MYSQL_DATABASE": DATABASE}

    def start(self, wait=True):
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen(
                ["mariadbd", "--no-defaults", f"--datadir={self.path('data')}", f"--socket={self.path('socket')}",
                 f"--port={self.port}", f"--bind-address={HOST}", "--skip-name-resolve", f"--user={self.user}",
                 f"--pid-file={self.path('pid')}", f"--init-file={self.path('init.sql')}",
                 "--innodb-buffer-pool-size=128M", "--innodb-log-file-size=64M", "--performance-schema=off",
                 *self.options], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if wait:
            await_true(f"mariadbd in {self.directory} answers", self.answers, 60)
        return self

    def answers(self):
        assert self.process.poll() is None, self.log()[-3000:]
        return self.client("SELECT 1").returncode == 0

    def client(self, sql):
        return subprocess.run(["mariadb", "--no-defaults", f"--socket={self.path('socket')}", "--user=root",
                               "--batch", "--skip-column-names", "-e", sql], capture_output=True, text=True)

    def sql(self, sql, database=DATABASE):
        """Rows of a statement, as lists of texts."""
        out = self.client(f"USE {database}; {sql}" if database else sql)
        assert out.returncode == 0, out.stderr
        return [line.split("\t") for line in out.stdout.splitlines()]

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
