# SPDX-License-Identifier: Apache-2.0
"""Chaos: programs are killed, stopped for up to ten seconds and cut off from each other, in one
direction or in both, at random, while clients of every kind work over two gateways, two cores and a
store (or several). What was acknowledged arrives, QoS 2 not twice (QoS 0 neither, on one connection), in order, a
client id has one owner in the end, and each group of a shared subscription gets what was acknowledged.

Links are cut by network namespaces where they may be made, else by a proxy (CHAOS_PROXY=1 wants that).
CHAOS_SECONDS (60) is how long, CHAOS_PACE (2.5) the mean time between incidents in seconds; the seed
is printed, CHAOS_SEED repeats its schedule. STORES=2 has two stores."""

import asyncio
import os
import random
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import mqtt  # noqa: E402
import netns  # noqa: E402
from cluster import Cluster  # noqa: E402
from links import Links  # noqa: E402
from oracle import Publisher, Subscriber, address  # noqa: E402

SECONDS = float(os.environ.get("CHAOS_SECONDS", "60"))
SEED = int(os.environ.get("CHAOS_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
PACE = float(os.environ.get("CHAOS_PACE", "2.5"))
SETTLE = 120
NETNS = False  # set by main, which goes on in a namespace of its own then
STORES = ["store", *(f"store{i}" for i in range(1, int(os.environ.get("STORES", "1"))))]
PROGRAMS = ["gateway0", "gateway1", "core0", "core1", *STORES]
PAIRS = [(g, c) for g in PROGRAMS[:2] for c in PROGRAMS[2:]] + [(s, c) for s in STORES for c in PROGRAMS[2:4]]


def schedule(rng, seconds):
    """[(start, kind, target, duration)], sorted by start; never two at one target at once."""
    out, free, at = [], {}, 1.0
    while at < seconds:
        kind = rng.choice(["kill", "kill", "stop", "freeze", "freeze-to", "reset"])
        target = rng.choice(PROGRAMS if kind in ("kill", "stop") else PAIRS)
        back = rng.random() < 0.5
        lasts = rng.uniform(0, 2) if kind == "kill" else rng.choice([rng.uniform(0.05, 2.5), rng.uniform(2.5, 10)])
        if free.get(target, 0) <= at:
            out.append((at, kind, target[::-1] if kind == "freeze-to" and back else target, lasts))
            free[target] = at + lasts + 1
        at += rng.expovariate(1 / PACE)
    return out


class ChaosPublisher(Publisher):
    """Numbers of one session are in order; a clean publisher that comes back begins a new one. At
    QoS 0 every connection does: what a dead gateway had sent may come late."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.session, self.sent_at = 0, [0.0]

    def age(self, number):
        return f"{time.monotonic() - self.sent_at[number]:.2f} s after it was sent"

    def packet(self, pid, number, dup):
        if number == len(self.sent_at):
            self.sent_at.append(time.monotonic())
        return mqtt.publish(self.topic(number), f"{self.client_id}:{self.session}:{number}", self.qos, pid, dup=dup,
                            version=self.version)

    def on_connected(self, connack):
        if self.clean or self.qos == 0:
            self.session += 1
        if not self.clean and not connack.session_present and self.number:
            self.oracle.wrong.append(f"{self.client_id}: its session is gone")
        self.session = self.session or 1
        super().on_connected(connack)

    def pump(self):
        if self.qos:
            super().pump()
            return
        if self.running and self.connected.is_set():
            self.number += 1
            self.send(self.packet(0, self.number, False))
        if self.running and not self.stopping:
            self.later()

    def later(self):
        if self.qos == 0 and self.connects > 1 and not self.connected.is_set():
            return  # on_connected goes on
        super().later()


class ChaosSubscriber(Subscriber):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.since = None  # of its session: what is sent from then on is owed
        self.counts = {}   # publisher -> arrivals by number
        self.fleeting = {} # QoS 0: the same, of this connection

    def on_connected(self, connack):
        if not connack.session_present:
            if self.since is not None and not self.clean:
                self.oracle.wrong.append(f"{self.client_id}: its session is gone")
            self.since, self.counts, self.last = None, {}, {}
        self.fleeting = {}
        super().on_connected(connack)

    def on_suback(self, packet):
        super().on_suback(packet)
        self.since = time.monotonic()

    def take(self, packet):
        name, session, number = packet.payload.decode().split(":")
        number, publisher = int(number), self.oracle.by_name[name]
        counts = (self.counts if publisher.qos else self.fleeting).setdefault(name, bytearray())
        if len(counts) <= number:
            counts.extend(bytes(number + 100 - len(counts)))
        counts[number] = min(counts[number] + 1, 255)
        self.oracle.arrived += 1
        if counts[number] > 1:
            if min(self.qos, publisher.qos) != 1:
                self.oracle.wrong.append(f"{self.client_id} got {name} {number} (QoS {publisher.qos}) again, "
                                         f"dup {packet.dup} pid {packet.pid}, {publisher.age(number)}")
            return
        if self.since is None or publisher.sent_at[number] < self.since:
            return  # from before its subscription: may be anywhere
        key = (name, session, packet.topic, 0 if publisher.qos else self.connects)
        if number < self.last.get(key, 0):
            self.oracle.wrong.append(f"{self.client_id} got {name} {number} (QoS {publisher.qos}) after "
                                     f"{self.last[key]}, {publisher.age(number)}")
        self.last[key] = max(number, self.last.get(key, 0))

    def missing(self):
        if self.since is None or not self.connected.is_set():
            return [(self.client_id, "is not connected", 0)]
        out = []
        for p in self.oracle.publishers:
            counts = self.counts.get(p.client_id, b"")
            out += [(self.client_id, p.client_id, n) for n in p.acked
                    if p.sent_at[n] > self.since and (n >= len(counts) or counts[n] == 0)]
        return out


class Member(Subscriber):
    """Of a shared subscription; its group counts."""

    def __init__(self, *args, group, **options):
        super().__init__(*args, filters=[f"$share/{group.name}/oracle/#"], **options)
        self.group, self.ended = group, []
        group.members.append(self)

    def on_connected(self, connack):
        if not connack.session_present and not self.clean and self.ready.is_set():
            self.oracle.wrong.append(f"{self.client_id}: its session is gone")
        super().on_connected(connack)

    def on_closed(self):
        self.ended.append(time.monotonic())

    def take(self, packet):
        name, _session, number = packet.payload.decode().split(":")
        self.oracle.arrived += 1
        self.group.take(self, self.oracle.by_name[name], int(number), packet.qos)


class Group:
    """The members of a shared subscription: one of them gets each acknowledged message, at QoS 2 never two of
    them. One exception, counted: what was, or may have been, on its way to a member at QoS 2 goes to nobody
    else when its session ends [MQTT-4.8.2-5]. (Nobody knows at once that a gateway is gone.)"""

    def __init__(self, oracle, name):
        self.oracle, self.name, self.members = oracle, name, []
        self.takers, self.since = {}, None

    def begin(self):
        self.since = time.monotonic()

    def take(self, member, publisher, number, qos):
        key = (publisher.client_id, number)
        former = self.takers.setdefault(key, [])
        if qos == 2:
            others = [m for m, q in former if q == 2]
            if others:
                self.oracle.wrong.append(f"group {self.name}: {key} came to {member.client_id} after "
                                         f"{[m.client_id for m in others]}, {publisher.age(number)}")
        former.append((member, qos))

    def unfinished(self, publisher, number):
        """It may have ended with the session of a member."""
        sent = publisher.sent_at[number]
        return publisher.qos == 2 and any(m.clean and m.qos == 2 and sent - 3 < at < sent + 30
                                          for m in self.members for at in m.ended)

    def missing(self):
        """What nobody got, and whether that may be."""
        return [(f"group {self.name}", p.client_id, n, self.unfinished(p, n)) for p in self.oracle.publishers
                for n in p.acked if p.sent_at[n] > self.since and (p.client_id, n) not in self.takers]


class Twins:
    """One client id that connects here and there, and never closes a connection itself."""

    def __init__(self, oracle, client_id, version):
        self.oracle, self.client_id, self.version = oracle, client_id, version
        self.open, self.welcomed, self.stopping, self.tasks = set(), 0, False, []

    async def one(self, port):
        writer = None
        me = object()
        try:
            reader, writer = await asyncio.open_connection(*address(port))
            writer.write(mqtt.connect(self.client_id, version=self.version, clean=False, keep_alive=0,
                                      props={"session_expiry": 3600} if self.version == 5 else None))
            parser = mqtt.Parser(self.version)
            while data := await reader.read(65536):
                for packet in parser.feed(data):
                    if packet.kind == mqtt.CONNACK and packet.reason == 0:
                        self.welcomed += 1
                        self.open.add(me)
        except OSError:
            pass
        finally:
            self.open.discard(me)
            if writer:
                writer.close()

    async def run(self):
        while not self.stopping:
            self.tasks.append(asyncio.ensure_future(self.one(self.oracle.random_twin.choice(self.oracle.ports))))
            await asyncio.sleep(1.5)

    async def stop(self):
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


class ChaosOracle:
    def __init__(self, cluster, links):
        self.cluster, self.links = cluster, links
        self.ports = [(links.host(f"gateway{i}"), cluster.port(i)) for i in range(2)]
        self.random_twin = random.Random(SEED + 1)
        self.wrong, self.notes, self.closings, self.arrived, self.pause = [], [], 0, 0, 0.25
        tag = f"{SEED:x}"
        self.publishers = [
            ChaosPublisher(self, f"p{tag}-{i}", self.home(i), (5, 4)[(i // 6) % 2], (i // 3) % 2 == 0, qos=i % 3,
                           window=3, topics=2) for i in range(24)]
        self.by_name = {p.client_id: p for p in self.publishers}
        self.subscribers = [
            ChaosSubscriber(self, f"s{tag}-{i}", self.home(i), (5, 4)[(i // 2) % 2], i < 8, filters=["oracle/#"],
                            qos=(2, 2, 1, 2)[i // 2 % 4]) for i in range(14)]
        self.groups = [Group(self, "lasting"), Group(self, "mixed")]
        for i in range(3):
            Member(self, f"l{tag}-{i}", self.home(i), (5, 4)[i % 2], False, group=self.groups[0], qos=2)
        for i in range(6):
            Member(self, f"m{tag}-{i}", self.home(i), (5, 4)[i // 2 % 2], i < 4, group=self.groups[1],
                   qos=(1, 1, 2, 2, 2, 2)[i])
        self.members = [m for g in self.groups for m in g.members]
        self.twins = [Twins(self, f"t{tag}-{i}", (5, 4)[i]) for i in range(2)]

    def home(self, i):
        return self.ports[i % 2:] + self.ports[:i % 2]

    def note(self, text):
        if len(self.notes) < 500:
            self.notes.append(text)

    def closed(self, _endpoint):
        self.closings += 1

    async def incident(self, begin, start, kind, target, lasts):
        await asyncio.sleep(max(0.0, begin + start - time.monotonic()))
        print(f"{time.monotonic() - begin:6.2f} {kind} {target} for {lasts:.2f} s", flush=True)
        await self.trouble(kind, target, lasts)

    async def trouble(self, kind, target, lasts):
        if isinstance(target, tuple):
            self.links.cut(*target, kind)
            await asyncio.sleep(lasts)
            self.links.heal(*target)
            return
        program = self.cluster[target]
        program.kill(signal.SIGKILL if kind == "kill" else signal.SIGSTOP)
        await asyncio.sleep(lasts)
        if kind == "kill":
            program.restart()
        else:
            program.kill(signal.SIGCONT)

    def missing(self):
        return [m for s in self.subscribers for m in s.missing()] + \
               [m[:3] for g in self.groups for m in g.missing() if not m[3]]

    def owners(self):
        return [f"{t.client_id} has {len(t.open)} connections" for t in self.twins if len(t.open) > 1]

    async def run(self):
        everybody = self.subscribers + self.members
        tasks = [asyncio.ensure_future(s.run()) for s in everybody]
        await asyncio.wait_for(asyncio.gather(*(s.ready.wait() for s in everybody)), 60)
        for g in self.groups:
            g.begin()
        tasks += [asyncio.ensure_future(p.run()) for p in self.publishers]
        tasks += [asyncio.ensure_future(t.run()) for t in self.twins]
        await asyncio.wait_for(asyncio.gather(*(p.connected.wait() for p in self.publishers)), 60)
        begin = time.monotonic()
        await asyncio.gather(*(self.incident(begin, *one) for one in schedule(random.Random(SEED), SECONDS)))
        for t in self.twins:
            t.stopping = True
        for p in self.publishers:
            p.running = False
        deadline = time.monotonic() + SETTLE
        while time.monotonic() < deadline and (
                any(p.flight for p in self.publishers) or self.missing() or self.owners()):
            await asyncio.sleep(1)
        took = time.monotonic() - (deadline - SETTLE)
        stuck = [(p.client_id, p.qos, p.clean, p.flight, p.connected.is_set()) for p in self.publishers if p.flight]
        lost, owners = self.missing(), self.owners()
        for one in self.publishers + everybody + self.twins:
            await one.stop()
        await asyncio.wait(tasks, timeout=20)
        self.judge(stuck, lost, owners, took)

    def judge(self, stuck, lost, owners, took):
        acked = sum(len(p.acked) for p in self.publishers)
        ended = sum(m[3] for g in self.groups for m in g.missing())
        print(f"groups: {sum(len(g.takers) for g in self.groups)} messages, {ended} "
              f"ended with the session that took them", flush=True)
        print(f"chaos: seed {SEED}, {SECONDS:.0f} s, {acked} acknowledged, {self.arrived} arrivals, {len(lost)} lost, "
              f"{len(self.wrong)} twice or out of order, {len(stuck)} stuck, {self.closings} closings, "
              f"{sum(t.welcomed for t in self.twins)} take-overs, settled in {took:.1f} s", flush=True)
        verdict = []
        if lost:
            where = {}
            for s, p, n in lost:
                where.setdefault((s, p), []).append(n)
            verdict.append(f"{len(lost)} lost: {[(k, v[:4], len(v)) for k, v in list(where.items())[:8]]}")
            for s, p, n in lost[:5]:
                pub = self.by_name.get(p)
                if s.startswith("group"):
                    verdict.append(f"{p} {n}: QoS {pub.qos} {'clean' if pub.clean else 'persistent'}, sent "
                                   f"{time.monotonic() - pub.sent_at[n]:.1f} s ago")
                elif pub:
                    sub = next(x for x in self.subscribers if x.client_id == s)
                    verdict.append(f"{p} {n}: QoS {pub.qos} {'clean' if pub.clean else 'persistent'}, sent "
                                   f"{time.monotonic() - pub.sent_at[n]:.1f} s ago; {s}: QoS {sub.qos} "
                                   f"{'clean' if sub.clean else 'persistent'}, subscribed "
                                   f"{time.monotonic() - sub.since if sub.since else -1:.1f} s ago")
        verdict += self.wrong[:10]
        if stuck:
            verdict.append(f"{len(stuck)} publishers stuck: {stuck[:5]}")
        verdict += owners
        if acked < SECONDS * 10:
            verdict.append(f"only {acked} acknowledged: nothing was tested")
        assert not verdict, f"CHAOS_SEED={SEED}: " + "\n".join(verdict) + f"\nnotes: {self.notes[-5:]}"


class Chaos(unittest.TestCase):
    def test_nothing_acknowledged_is_lost(self):
        print(f"CHAOS_SEED={SEED} CHAOS_SECONDS={SECONDS:.0f}", flush=True)
        cluster = Cluster(gateways=2, cores=2)
        with (netns.Netns if NETNS else Links)(cluster) as links, cluster:
            try:
                asyncio.run(ChaosOracle(cluster, links).run())
                for program in cluster.programs.values():
                    program.await_ready(40)
            except BaseException:
                keep = os.environ.get("CHAOS_LOGS")
                for program in cluster.programs.values():
                    print(f"--- {program.name}\n{program.log()[-4000:]}", file=sys.stderr)
                    if keep:
                        with open(os.path.join(keep, program.name + ".log"), "w") as log:
                            log.write(program.log())
                raise


if __name__ == "__main__":
    NETNS = not os.environ.get("CHAOS_PROXY") and netns.enter()
    unittest.main(verbosity=2)
