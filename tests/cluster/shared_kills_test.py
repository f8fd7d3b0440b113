# SPDX-License-Identifier: Apache-2.0
"""A group of four members on two gateways takes QoS 1 and 2 while a gateway is killed and
comes back: what was acknowledged to a publisher is taken by a member; QoS 1 may be taken twice
around the kill, QoS 2 not (its members keep their sessions in the store)."""

import asyncio
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mqtt  # noqa: E402
from cluster import Cluster  # noqa: E402
from kills_test import until  # noqa: E402
from oracle import TOPIC, Oracle, Publisher, Subscriber  # noqa: E402


class SlowMember(Subscriber):
    """Says PUBACK late and has a small window, so that much waits in its gateway."""

    def options(self):
        return {"clean": True, "keep_alive": 60, "props": {"receive_maximum": 4}, "will": None}

    def on_publish(self, packet):
        self.take(packet)
        writer, ack = self.writer, mqtt.ack(mqtt.PUBACK, packet.pid)
        asyncio.get_running_loop().call_later(0.008, lambda: writer is self.writer and self.send(ack))


class GroupOracle(Oracle):
    """Publishers stay on gateway 0; the members are spread. The group as a whole is what must have
    every message."""

    def __init__(self, ports, qos, clean, publishers=20):
        super().__init__(ports, publishers=0, clean_subscribers=0, persistent_subscribers=0, steady=False)
        tag = f"{self.seed:x}"
        for i in range(publishers):
            self.publishers.append(Publisher(self, f"p{tag}-{i}", ports[:1], (5, 4)[i % 2], True, qos=qos, window=8,
                                             topics=2))
        for i in range(4):
            member, version = (SlowMember, 5) if clean else (Subscriber, (5, 4)[i // 2 % 2])
            self.subscribers.append(member(self, f"s{tag}-{i}", self.home(i), version, clean,
                                           filters=[f"$share/g/{TOPIC}/#"], qos=qos))
        self.qos = qos

    def counts(self):
        counts = {}
        for s in self.subscribers:
            for key, n in s.counts.items():
                counts[key] = counts.get(key, 0) + n
        return counts

    def missing(self):
        counts = self.counts()
        return [(p.client_id, n) for p in self.publishers for n in p.acked if (p.client_id, n) not in counts]

    def judge(self, stuck):
        lost, acked = self.missing(), sum(len(p.acked) for p in self.publishers)
        twice = [key for key, n in self.counts().items() if n > 1]
        print(f"oracle: {acked} acknowledged, {self.arrived} arrivals, {len(lost)} lost, {len(twice)} twice, "
              f"{stuck} unanswered", flush=True)
        assert not lost, f"seed {self.seed}: {len(lost)} lost, first {lost[:5]}"
        assert not stuck, f"seed {self.seed}: {stuck} publishes never answered"
        assert self.qos == 1 or not twice, f"seed {self.seed}: {len(twice)} twice, first {twice[:5]}"
        assert len(twice) < 2000, f"seed {self.seed}: {len(twice)} twice: more than what was under way"
        assert acked > 5000, f"seed {self.seed}: only {acked} acknowledged: nothing was tested"


class SharedKills(unittest.TestCase):
    def scene(self, qos, clean):
        with Cluster(gateways=2, cores=1) as c:
            async def script(oracle):
                await until(oracle, 2000)
                c["gateway1"].kill()
                await until(oracle, 3000)
                c["gateway1"].restart().await_ready()
                await until(oracle, 2000)
            oracle = GroupOracle([c.port(0), c.port(1)], qos, clean)
            try:
                asyncio.run(oracle.run(script))
            except BaseException:
                for program in c.programs.values():
                    print(f"--- {program.name}\n{program.log()[-3000:]}", file=sys.stderr)
                raise

    def test_qos_1_to_clean_members(self):
        self.scene(1, True)

    def test_qos_1_to_persistent_members(self):
        self.scene(1, False)

    def test_qos_2_to_persistent_members(self):
        self.scene(2, False)


if __name__ == "__main__":
    unittest.main(verbosity=2)
