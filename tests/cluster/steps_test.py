# SPDX-License-Identifier: Apache-2.0
"""Exactly once, step by step: publishers and subscribers are poised at every step of the QoS 1 and 2
handshakes, then one program is killed, with another one frozen while it happens so that the step
gets stuck at every place on its way. Half of the persistent clients go on with their connection
(as long as their gateway lives), the others come back through the other gateway. At the end every
message is there: QoS 2 once, QoS 1 at least once."""

import os
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import mqtt  # noqa: E402
from cluster import Cluster  # noqa: E402

LEASE = {"env": {"SLUICE_LEASE": "1500ms", "SLUICE_LEASE_MS": "1500ms"}}
PUBLISHER_STEPS = {1: ("publish", "puback"), 2: ("publish", "pubrec", "pubrel", "pubcomp")}
SUBSCRIBER_STEPS = {1: ("publish", "puback"), 2: ("publish", "pubrec", "pubrel", "pubcomp")}


class Flow:
    """A client with one message under way. `stays`: goes on with its connection; else it comes back
    to the other gateway. Follows the protocol across connections."""

    def __init__(self, test, client_id, version, stays, clean=False):
        self.test, self.id, self.version, self.stays, self.clean = test, client_id, version, stays, clean
        self.client, self.got, self.held = None, [], {}
        self.connect(0)

    def connect(self, gateway, patience=40):
        options = {"clean": self.clean, "props": {"session_expiry": 0 if self.clean else 600}} \
            if self.version == 5 else {"clean": self.clean}
        deadline = time.monotonic() + patience
        while True:
            try:
                self.client = mqtt.Client(self.test.cluster.port(gateway), self.version, timeout=40)
                return self.client.connect(self.id, **options)
            except (mqtt.Closed, AssertionError, OSError) as error:
                self.client.close()
                if time.monotonic() > deadline:
                    raise AssertionError(f"{self.id}: cannot come back: {error}") from error
                time.sleep(0.1)

    def send(self, data):
        self.client.send(data)

    def ack(self, kind, pid):
        self.send(mqtt.ack(kind, pid, version=self.version))

    def go_on(self, is_lost):
        """After the kill. True: it is a new connection."""
        if self.stays and not is_lost:
            return False
        self.client.close()
        connack = self.connect(1)
        assert connack.session_present == 1, f"{self.id}: the session is gone"
        return True

    def close(self):
        self.client.close()


class Publisher(Flow):
    def __init__(self, test, client_id, version, stays, clean, qos, step):
        super().__init__(test, client_id, version, stays, clean)
        self.qos, self.step, self.topic = qos, step, f"steps/{client_id}"
        self.next = "publish"  # what we send, or wait for, next

    def publish(self, dup=False):
        self.send(mqtt.publish(self.topic, f"{self.id} one", self.qos, 1, dup=dup, version=self.version))

    def advance(self, until):
        """Goes through the handshake up to and including `until`."""
        steps = PUBLISHER_STEPS[self.qos]
        while steps.index(self.next) <= steps.index(until):
            if self.next == "publish":
                self.publish()
            elif self.next == "pubrel":
                self.ack(mqtt.PUBREL, 1)
            else:
                got = self.client.expect({"puback": mqtt.PUBACK, "pubrec": mqtt.PUBREC,
                                          "pubcomp": mqtt.PUBCOMP}[self.next])
                # 0x92 to a PUBREL that is sent again: it had been released, the flow is over
                assert got.pid == 1 and got.reason < 0x80 or (self.next, got.reason) == ("pubcomp", 0x92), \
                    f"{self.id}: {got}"
            at = steps.index(self.next) + 1
            self.next = steps[at] if at < len(steps) else "done"
            if self.next == "done":
                return

    def poise(self):
        """Up to what comes before the last thing that is sent in its step."""
        steps = PUBLISHER_STEPS[self.qos]
        at = steps.index(self.step)
        if self.step in ("publish", "pubrel"):
            if at > 0:
                self.advance(steps[at - 1])
        else:
            self.advance(self.step)

    def leap(self):
        if self.next == self.step:
            self.advance(self.step)

    def finish(self, is_new):
        if is_new and self.next in ("puback", "pubrec"):
            self.publish(dup=True)
        elif is_new and self.next == "pubcomp":
            self.ack(mqtt.PUBREL, 1)
        if self.next != "done":
            self.advance(PUBLISHER_STEPS[self.qos][-1])
        assert self.client.publish(self.topic, f"{self.id} end", self.qos) < 0x80


class Subscriber(Flow):
    """Receives two messages; stops at its step in the first one."""

    def __init__(self, test, client_id, version, stays, qos, step):
        super().__init__(test, client_id, version, stays)
        self.qos, self.step, self.topic = qos, step, f"subs/{client_id}"
        self.client.subscribe((self.topic, qos))
        self.todo = None

    def take(self, packet):
        """Protocol of a receiver; returns the step that the next answer is."""
        if packet.kind == mqtt.PUBLISH:
            if packet.qos == 1 or packet.pid not in self.held:
                self.got.append(packet.payload.decode())
            if packet.qos == 2:
                self.held[packet.pid] = True
            return "puback" if packet.qos == 1 else "pubrec"
        assert packet.kind == mqtt.PUBREL, f"{self.id}: {packet}"
        self.held.pop(packet.pid, None)
        return "pubcomp"

    def answer(self, step, pid):
        self.ack({"puback": mqtt.PUBACK, "pubrec": mqtt.PUBREC, "pubcomp": mqtt.PUBCOMP}[step], pid)

    def poise(self):
        packet = self.client.expect(mqtt.PUBLISH)
        step = self.take(packet)
        if self.step == "publish":
            self.todo = (step, packet.pid)
            return
        if self.step in ("puback", "pubrec"):
            self.todo = (step, packet.pid)
            return
        self.answer(step, packet.pid)
        packet = self.client.expect(mqtt.PUBREL)
        self.todo = (self.take(packet), packet.pid)

    def leap(self):
        if self.step in ("puback", "pubrec", "pubcomp"):
            self.answer(*self.todo)
            self.todo = None

    def finish(self, is_new):
        if self.todo is not None and not is_new:
            self.answer(*self.todo)
        while not (self.got and self.got[-1].endswith("end")):
            packet = self.client.recv()
            self.answer(self.take(packet), packet.pid)


class Collector(Flow):
    """Takes everything, at the gateway that is never killed."""

    def __init__(self, test, client_id, clean):
        super().__init__(test, client_id, 5, True, clean)
        self.client.close()
        self.connect(1)
        self.client.subscribe(("steps/#", 2))

    def collect(self, ends):
        """Until this many messages that are the last of their flow have come, and none is under way."""
        while sum(1 for g in self.got if g.endswith("end")) < ends or self.held:
            packet = self.client.recv()
            if packet.kind == mqtt.PUBREL:
                self.held.pop(packet.pid, None)
                self.ack(mqtt.PUBCOMP, packet.pid)
                continue
            assert packet.kind == mqtt.PUBLISH, packet
            if packet.qos == 1:
                self.got.append(packet.payload.decode())
                self.ack(mqtt.PUBACK, packet.pid)
            else:
                if packet.pid not in self.held:
                    self.got.append(packet.payload.decode())
                self.held[packet.pid] = True
                self.ack(mqtt.PUBREC, packet.pid)
        self.client.nothing()


class Steps(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster(gateways=2, cores=1, **LEASE)
        cls.cluster.__enter__()
        cls.bad = False

    @classmethod
    def tearDownClass(cls):
        cls.cluster.__exit__(AssertionError if cls.bad else None, None, None)

    def flows(self, victim, tag):
        publishers, subscribers = [], []
        for version in (5, 4):
            for qos in (1, 2):
                for stays in (True, False):
                    for step in PUBLISHER_STEPS[qos]:
                        publishers.append(Publisher(self, f"{tag}-p{version}{qos}{int(stays)}{step}", version, stays,
                                                    False, qos, step))
                    for step in SUBSCRIBER_STEPS[qos]:
                        subscribers.append(Subscriber(self, f"{tag}-s{version}{qos}{int(stays)}{step}", version,
                                                      stays, qos, step))
                if victim == "gateway0":
                    continue  # a clean session ends with its gateway
                for step in PUBLISHER_STEPS[qos]:
                    publishers.append(Publisher(self, f"{tag}-c{version}{qos}{step}", version, True, True, qos, step))
        return publishers, subscribers

    def judge(self, who, got, wanted):
        """wanted: (client, qos) that sent or were sent `one` and `end`."""
        wrong = []
        for flow in wanted:
            mine = [g for g in got if g.startswith(flow.id + " ")]
            once = [f"{flow.id} one", f"{flow.id} end"]
            if flow.qos == 2 and mine != once or flow.qos == 1 and sorted(set(mine), reverse=True) != once:
                wrong.append(f"{who}: {flow.id} (QoS {flow.qos}, stays {flow.stays}): {mine}")
        return wrong

    def round(self, victim, frozen):
        c, tag = self.cluster, f"{victim}-{frozen or 'none'}"
        kept, live = Collector(self, tag + "-kept", False), Collector(self, tag + "-live", True)
        publishers, subscribers = self.flows(victim, tag)
        feeder = mqtt.Client(c.port(1))
        feeder.connect(tag + "-feeder")
        for s in subscribers:
            self.assertLess(feeder.publish(s.topic, f"{s.id} one", 2), 0x80)
        for flow in publishers + subscribers:
            flow.poise()
        if frozen:
            c[frozen].kill(signal.SIGSTOP)
        for flow in publishers + subscribers:
            flow.leap()
        if frozen:
            time.sleep(0.1)  # what is on its way gets as far as it can
        c[victim].kill()
        if frozen:
            c[frozen].kill(signal.SIGCONT)
        c[victim].restart()
        for flow in publishers + subscribers:
            flow.finish_new = flow.go_on(victim == "gateway0")
        feeder.timeout = 40
        for s in subscribers:
            self.assertLess(feeder.publish(s.topic, f"{s.id} end", 2), 0x80)
        for flow in publishers + subscribers:
            flow.finish(flow.finish_new)
        wrong = []
        for s in subscribers:
            wrong += self.judge("subscriber", s.got, [s])
        for collector in (kept, live):
            collector.client.timeout = 40
            collector.collect(len({p.id for p in publishers}))
            wrong += self.judge(collector.id, collector.got, publishers)
        self.assertEqual(wrong, [])
        feeder.close()
        for flow in publishers + subscribers + [kept, live]:
            flow.close()
        for program in c.programs.values():
            program.await_ready(40)

    def all_frozen(self, victim, others):
        for frozen in (None, *others):
            with self.subTest(victim=victim, frozen=frozen):
                try:
                    self.round(victim, frozen)
                except BaseException:
                    type(self).bad = True
                    for program in self.cluster.programs.values():
                        if program.process.poll() is None:
                            program.kill(signal.SIGCONT)
                    for program in self.cluster.programs.values():
                        print(f"--- {program.name}\n{program.log()[-3000:]}", file=sys.stderr)
                    raise

    def test_the_gateway_is_killed(self):
        self.all_frozen("gateway0", ("core0", "store", "gateway1"))

    def test_the_core_is_killed(self):
        self.all_frozen("core0", ("store", "gateway1"))

    def test_the_store_is_killed(self):
        self.all_frozen("store", ("core0", "gateway1"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
