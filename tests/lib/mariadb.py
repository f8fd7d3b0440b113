# SPDX-License-Identifier: Apache-2.0
"""A MariaDB server of a test's own."""

import os
import pwd
import subprocess

from cluster import HOST
from database import Database

USER, PASSWORD, DATABASE = "sluice", "a 'secret\"", "sluice"


class MariaDB(Database):
    NAME = "mariadb"

    def __init__(self, *options):
        super().__init__(*options)
        self.user = pwd.getpwuid(os.getuid()).pw_name
        out = subprocess.run(["mariadb-install-db", "--no-defaults", f"--datadir={self.path('data')}",
                              f"--user={self.user}", "--auth-root-authentication-method=normal", "--skip-test-db"],
                             capture_output=True, text=True, env=self.env)
        assert out.returncode == 0, out.stdout + out.stderr
        with open(self.path("init.sql"), "w") as f:
            quoted = PASSWORD.replace("'", "''")
            f.write(f"CREATE USER IF NOT EXISTS {USER}@'%' IDENTIFIED BY '{quoted}';\n"
                    f"GRANT ALL ON {DATABASE}.* TO {USER}@'%';\n")

    def settings(self, driver="mysql"):
        """Of a store that keeps everything here."""
        return {"SLUICE_DRIVER": driver, "SLUICE_MYSQL_HOSTS": f"{HOST}:{self.port}", "SLUICE_MYSQL_USER": USER,
                "SLUICE_MYSQL_PASSWORD": PASSWORD, "SLUICE_MYSQL_DATABASE": DATABASE}

    def command(self):
        return ["mariadbd", "--no-defaults", f"--datadir={self.path('data')}", f"--socket={self.path('socket')}",
                f"--port={self.port}", f"--bind-address={HOST}", "--skip-name-resolve", f"--user={self.user}",
                f"--pid-file={self.path('pid')}", f"--init-file={self.path('init.sql')}",
                "--innodb-buffer-pool-size=128M", "--innodb-log-file-size=64M", "--performance-schema=off"]

    def answers(self):
        return self.client("SELECT 1").returncode == 0

    def client(self, sql):
        return subprocess.run(["mariadb", "--no-defaults", f"--socket={self.path('socket')}", "--user=root",
                               "--batch", "--skip-column-names", "-e", sql], capture_output=True, text=True)

    def sql(self, sql, database=DATABASE):
        """Rows of a statement, as lists of texts."""
        out = self.client(f"USE {database}; {sql}" if database else sql)
        assert out.returncode == 0, out.stderr
        return [line.split("\t") for line in out.stdout.splitlines()]
