# SPDX-License-Identifier: Apache-2.0
"""The scene of all *_kills_test.py over a database: everything that the store keeps lies there, and
both are killed at random while clients publish QoS 1 and 2 across two gateways. What was
acknowledged arrives, QoS 2 arrives once."""

import asyncio
import os
import random
import sys
import time

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path[:0] = [os.path.join(TESTS, "lib"), os.path.join(TESTS, "cluster")]
from cluster import Cluster  # noqa: E402
from oracle import Oracle  # noqa: E402

PUBLISHERS = int(os.environ.get("ORACLE_PUBLISHERS", "60"))


async def arrivals(oracle, more, timeout, store=None):
    """Waits until `more` further messages have arrived. A store whose database goes while it reads at
    its start ends with 2; whoever runs it starts it again."""
    goal, deadline = oracle.arrived + more, time.monotonic() + timeout
    while oracle.arrived < goal:
        if store and store.process.poll() == 2:
            store.restart()
        assert time.monotonic() < deadline, f"traffic stands still ({oracle.arrived} of {goal})"
        await asyncio.sleep(0.05)


def run(make_database, name):
    """make_database: a class as MariaDB or Redis of tests/lib. <name>_KILL_SECONDS (30; 300 by hand) is
    how long, <name>_KILL_SEED repeats a schedule. Returns how many kills there were."""
    seconds = float(os.environ.get(f"{name}_KILL_SECONDS", "30"))
    seed = int(os.environ.get(f"{name}_KILL_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
    rng = random.Random(seed)
    kills = {"store": 0, "database": 0, "both": 0}

    def script(cluster, db):
        async def act(oracle):
            await arrivals(oracle, 500, 60)
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                what = rng.choice(["store", "database", "database", "both"])
                kills[what] += 1
                if what != "database":
                    cluster["store"].kill()
                if what != "store":
                    db.kill()
                await asyncio.sleep(rng.uniform(0, 1.5))  # part of the scene: absent for a while
                if what != "store":
                    db.start(wait=False)
                if what != "database":
                    cluster["store"].restart()
                await arrivals(oracle, rng.randrange(20, 2000), 90, cluster["store"])
        return act

    print(f"seed {seed}, {seconds:.0f} s", flush=True)
    with make_database() as db, Cluster(gateways=2, cores=1, per={"store": db.settings()}) as c:
        oracle = Oracle([c.port(0), c.port(1)], publishers=PUBLISHERS)
        try:
            acked = asyncio.run(oracle.run(script(c, db), settle=120))
        except BaseException:
            for program in c.programs.values():
                print(f"--- {program.name}\n{program.log()[-3000:]}", file=sys.stderr)
            print(f"--- database\n{db.log()[-2000:]}", file=sys.stderr)
            raise
    print(f"kills: {kills}; {acked} acknowledged")
    return sum(kills.values())
