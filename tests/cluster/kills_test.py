# SPDX-License-Identifier: Apache-2.0
"""Programs are killed and restarted while 200 clients publish QoS 1 and 2 across two
gateways: what was acknowledged arrives, QoS 2 arrives once, and (gateways aside) no
client connection closes."""

import asyncio
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mqtt  # noqa: E402
from cluster import Cluster, await_true  # noqa: E402
from oracle import Oracle  # noqa: E402

PUBLISHERS = int(os.environ.get("ORACLE_PUBLISHERS", "200"))


async def until(oracle, more, timeout=120):
    """Waits until `more` further messages have arrived, so that every step sees traffic."""
    goal, deadline = oracle.arrived + more, time.monotonic() + timeout
    while oracle.arrived < goal:
        assert time.monotonic() < deadline, f"seed {oracle.seed}: traffic stands still ({oracle.arrived} of {goal})"
        await asyncio.sleep(0.05)


def kill_and_restart(cluster, name):
    async def script(oracle):
        await until(oracle, 2000)
        for _ in range(2):
            cluster[name].kill()
            await asyncio.sleep(0.3)  # part of the scene: the program is absent for a while
            cluster[name].restart()
            await until(oracle, 4000)
    return script


class Kills(unittest.TestCase):
    def scene(self, cluster, script, **options):
        oracle = Oracle([cluster.port(i) for i in range(cluster.n_gateways)], publishers=PUBLISHERS, **options)
        try:
            asyncio.run(oracle.run(script))
        except BaseException:
            for program in cluster.programs.values():
                print(f"--- {program.name}\n{program.log()[-3000:]}", file=sys.stderr)
            raise

    def test_a_core_is_killed_and_restarted(self):
        with Cluster(gateways=2, cores=1) as c:
            self.scene(c, kill_and_restart(c, "core0"))

    def test_one_of_two_cores_is_killed_and_restarted(self):
        with Cluster(gateways=2, cores=2) as c:
            self.scene(c, kill_and_restart(c, "core1"))

    def test_the_store_is_killed_and_restarted(self):
        with Cluster(gateways=2, cores=1) as c:
            self.scene(c, kill_and_restart(c, "store"))

    def test_one_of_two_stores_is_killed_and_restarted(self):
        """Publishers and subscribers of both; only what the one that is away keeps may pause."""
        with Cluster(gateways=2, cores=1, stores=2) as c:
            self.scene(c, kill_and_restart(c, "store1"))

    def test_rest_is_killed_and_restarted(self):
        with Cluster(gateways=2, cores=1) as c:
            async def script(oracle):
                await until(oracle, 2000)
                c["rest"].kill()
                await until(oracle, 2000)
                c["rest"].restart().await_ready()
                await until(oracle, 2000)
            self.scene(c, script)

    def test_a_gateway_is_killed_and_its_persistent_clients_go_to_the_other(self):
        with Cluster(gateways=2, cores=2) as c:
            async def script(oracle):
                await until(oracle, 4000)
                c["gateway1"].kill()
                await until(oracle, 4000)
                c["gateway1"].restart().await_ready()
                await until(oracle, 4000)
            # Clean subscribers of the dead gateway end with it, so here all are persistent.
            self.scene(c, script, steady=False, clean_subscribers=0, persistent_subscribers=6)

    def test_wills_go_out_when_a_gateway_dies(self):
        with Cluster(gateways=2, cores=1) as c, mqtt.Client(c.port(0)) as watcher:
            watcher.connect("watcher", keep_alive=0)
            watcher.subscribe(("wills/#", 1))
            took = []
            while not took or (took[-1] > 5 and len(took) < 3):  # once may be a busy machine
                if took:
                    c["gateway1"].restart().await_ready()
                clients = []
                for i in range(20):
                    client = mqtt.Client(c.port(1), version=(4, 5)[i % 2])
                    client.connect(f"mortal{i}", clean=i % 3 != 0,
                                   will={"topic": f"wills/{i}", "payload": f"gone {i}", "qos": i % 3})
                    clients.append(client)
                c["gateway1"].kill()
                begin, seen = time.monotonic(), set()
                while len(seen) < 20:
                    seen.add(watcher.receive().topic)
                took.append(time.monotonic() - begin)
                for client in clients:
                    client.close()
            self.assertLess(took[-1], 5, "wills took so long")

    def test_wills_of_clients_that_go_while_the_store_is_away_go_out_when_it_is_back(self):
        with Cluster(gateways=1, cores=1) as c, mqtt.Client(c.port(0)) as watcher:
            watcher.connect("watcher")
            watcher.subscribe(("wills/#", 1))
            clients = []
            for i in range(6):
                client = mqtt.Client(c.port(0), version=(4, 5)[i % 2])
                client.connect(f"mortal{i}", clean=i < 4,
                               will={"topic": f"wills/{i}", "payload": f"gone {i}", "qos": i % 3})
                clients.append(client)
            c["store"].kill()
            for client in clients[::2]:
                client.close()  # the gateway does not know yet that the store is gone
            await_true("the gateway missed the store", lambda: not c["gateway0"].is_ready())
            for client in clients[1::2]:
                client.close()
            c["store"].restart()
            seen = [watcher.receive().topic for _ in range(6)]
            self.assertEqual(sorted(seen), [f"wills/{i}" for i in range(6)])
            with self.assertRaises(TimeoutError):
                watcher.receive(timeout=1)  # none twice


if __name__ == "__main__":
    unittest.main(verbosity=2)
