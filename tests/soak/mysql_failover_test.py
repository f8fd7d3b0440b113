# SPDX-License-Identifier: Apache-2.0
"""Two MariaDB servers, the second a semi-synchronous replica of the first. While clients publish QoS
1 and 2 the replica stops to listen, then the first server is killed and the second promoted: the
store goes on there by itself, and nothing that was acknowledged is lost, also not what the first
server took when nobody listened any more."""

import asyncio
import os
import sys
import unittest

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib"), os.path.join(TESTS, "cluster"), os.path.dirname(os.path.abspath(__file__))]
from cluster import Cluster, HOST, await_true  # noqa: E402
from mariadb import MariaDB, PASSWORD, USER  # noqa: E402
from database_kills import arrivals  # noqa: E402
from oracle import Oracle  # noqa: E402


def pair():
    """(first, second), replicating."""
    common = ("--log-bin=log", "--sync-binlog=1", "--gtid-strict-mode=1")
    first = MariaDB("--server-id=1", "--rpl-semi-sync-master-enabled=1", "--rpl-semi-sync-master-timeout=600000",
                    *common)
    second = MariaDB("--server-id=2", "--rpl-semi-sync-slave-enabled=1", "--read-only=1", "--log-slave-updates=1",
                     *common)
    # What the servers' init files do is not replicated: both do it.
    for db in (first, second):
        with open(db.path("init.sql")) as f:
            sql = f.read()
        with open(db.path("init.sql"), "w") as f:
            f.write("SET sql_log_bin = 0;\n" + sql + f"GRANT REPLICATION SLAVE ON *.* TO {USER}@'%';\n")
        db.start()
    password = PASSWORD.replace("'", "''")
    second.sql(f"CHANGE MASTER TO MASTER_HOST='{HOST}', MASTER_PORT={first.port}, MASTER_USER='{USER}', "
               f"MASTER_PASSWORD='{password}', MASTER_USE_GTID=slave_pos; START SLAVE", None)
    await_true("the replica is semi-synchronous",
               lambda: first.sql("SHOW STATUS LIKE 'Rpl_semi_sync_master_clients'", None)[0][1] == "1", 30)
    return first, second


def acknowledged(oracle):
    return sum(len(p.acked) for p in oracle.publishers)


class Failover(unittest.TestCase):
    def test_the_replica_takes_over_and_nothing_is_lost(self):
        first, second = pair()
        self.addCleanup(first.__exit__)
        self.addCleanup(second.__exit__)
        settings = {**first.settings(), "SLUICE_MYSQL_HOSTS": f"{HOST}:{second.port},{HOST}:{first.port}",
                    "SLUICE_MYSQL_TIMEOUT": "2s"}
        with Cluster(gateways=2, cores=1, per={"store": settings}) as c:
            c["store"].await_log(f"mysql_connected host={HOST}:{first.port}")

            async def script(oracle):
                def on_second(sql):
                    return asyncio.to_thread(second.sql, sql, None)

                await arrivals(oracle, 3000, 60)
                await on_second("STOP SLAVE IO_THREAD")
                await asyncio.sleep(1)
                before = acknowledged(oracle)
                await asyncio.sleep(7)  # part of the scene: several of the store's timeouts
                self.assertEqual(acknowledged(oracle), before, "acknowledged while no replica listened")
                first.kill()
                while "Slave has read all relay log" not in str(await on_second("SHOW PROCESSLIST")):
                    await asyncio.sleep(0.1)
                await on_second("STOP SLAVE; SET GLOBAL read_only = 0")
                await arrivals(oracle, 3000, 60)

            oracle = Oracle([c.port(0), c.port(1)], publishers=40)
            asyncio.run(oracle.run(script, settle=60))
            c["store"].await_log(f"mysql_connected host={HOST}:{second.port}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
