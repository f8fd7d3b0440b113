# SPDX-License-Identifier: Apache-2.0
"""The oracle: many clients publish and subscribe while somebody kills programs; at
the end it counts what was acknowledged and what arrived. It keeps the truth:

* what a publisher got PUBACK or PUBREC for must arrive at every subscriber;
* what goes QoS 2 all the way must arrive once;
* per publisher and topic the first arrivals are in the order of publishing;
* where `steady` is set, no connection may close.
"""

import asyncio
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import mqtt  # noqa: E402

TOPIC = "oracle"


def address(place, host="127.0.0.1"):
    return place if isinstance(place, tuple) else (host, place)


class Endpoint:
    """A client that follows the protocol: acknowledges, resends after a reconnect, and reconnects
    to the next place of its list (a port, or host and port) when the connection closes (unless it must
    stay)."""

    PING_S = 10  # a far end that does not answer for so long is gone
    host = "127.0.0.1"
    credentials = {}  # user and password, if need be

    def __init__(self, oracle, client_id, ports, version, clean):
        self.oracle, self.client_id, self.ports = oracle, client_id, list(ports)
        self.version, self.clean = version, clean
        self.connects, self.closes = 0, 0
        self.writer = None
        self.connected = asyncio.Event()
        self.stopping = False
        self.will = None

    def options(self):
        props = {"session_expiry": 0 if self.clean else 3600} if self.version == 5 else None
        return {"clean": self.clean and self.version != 5 or (self.clean and self.version == 5), "keep_alive": 60,
                "props": props, "will": self.will}

    async def run(self):
        while not self.stopping:
            port = self.ports[self.connects % len(self.ports)]
            self.connects += 1
            try:
                reader, self.writer = await asyncio.open_connection(*address(port, self.host))
                self.writer.write(mqtt.connect(self.client_id, version=self.version, **self.credentials, **self.options()))
                parser, silent = mqtt.Parser(self.version), False
                while True:
                    try:
                        data = await asyncio.wait_for(reader.read(65536), self.PING_S)
                    except asyncio.TimeoutError:
                        if silent:
                            self.oracle.note(f"{self.client_id}: no answer to PINGREQ")
                            break
                        silent = True
                        if self.connected.is_set():
                            self.send(mqtt.packet(mqtt.PINGREQ))
                        continue
                    silent = False
                    if not data:
                        break
                    for packet in parser.feed(data):
                        self.on_packet(packet)
            except (OSError, ConnectionError):
                pass
            was = self.connected.is_set()
            self.connected.clear()
            if self.writer:
                self.writer.close()
                self.writer = None
            if self.stopping:
                return
            if was:
                self.closes += 1
                self.oracle.closed(self)
            self.on_closed()
            await asyncio.sleep(0.1 + random.random() * 0.2)

    def send(self, data):
        if self.writer is not None:
            self.writer.write(data)

    def on_packet(self, packet):
        if packet.kind == mqtt.CONNACK:
            if packet.reason == 0:
                self.connected.set()
                self.on_connected(packet)
        elif packet.kind == mqtt.DISCONNECT:
            self.oracle.note(f"{self.client_id}: DISCONNECT {packet.reason:#x} {packet.props}")
        else:
            getattr(self, "on_" + packet.name.lower())(packet)

    def on_closed(self):
        pass

    def on_pingresp(self, _packet):
        pass

    async def stop(self):
        self.stopping = True
        if self.writer is not None:
            self.send(mqtt.disconnect(version=self.version))
            self.writer.close()


class Publisher(Endpoint):
    def __init__(self, *args, qos, window, topics):
        super().__init__(*args)
        self.qos, self.window, self.topics = qos, window, topics
        self.flight = {}  # packet id -> [number, state "publish" or "rel"]
        self.order = []
        self.number, self.next_pid, self.acked = 0, 0, set()
        self.running = True

    def topic(self, number):
        return f"{TOPIC}/{self.client_id}/{number % self.topics}"

    def packet(self, pid, number, dup):
        return mqtt.publish(self.topic(number), f"{self.client_id}:{self.qos}:{number}", self.qos, pid, dup=dup,
                            version=self.version)

    def on_connected(self, connack):
        if self.clean and self.connects > 1:
            # A new session: what was under way is neither acknowledged nor repeated.
            self.flight.clear()
            self.order.clear()
        if not connack.session_present:
            for pid in [p for p in self.order if self.flight[p][1] == "rel"]:
                self.finish(pid)
        for pid in list(self.order):
            number, state = self.flight[pid]
            self.send(self.packet(pid, number, True) if state == "publish" else
                      mqtt.ack(mqtt.PUBREL, pid, version=self.version))
        self.pump()

    def pump(self):
        while self.running and self.connected.is_set() and len(self.flight) < self.window:
            self.next_pid = self.next_pid % 65535 + 1
            if self.next_pid in self.flight:
                continue
            self.number += 1
            self.flight[self.next_pid] = [self.number, "publish"]
            self.order.append(self.next_pid)
            self.send(self.packet(self.next_pid, self.number, False))

    def finish(self, pid):
        if pid in self.flight:
            del self.flight[pid]
            self.order.remove(pid)

    def on_puback(self, packet):
        if packet.pid in self.flight:
            if packet.reason < 0x80:
                self.acked.add(self.flight[packet.pid][0])
            self.finish(packet.pid)
        self.later()

    def on_pubrec(self, packet):
        if packet.pid in self.flight:
            if packet.reason >= 0x80:
                self.finish(packet.pid)
                self.later()
                return
            self.acked.add(self.flight[packet.pid][0])
            self.flight[packet.pid][1] = "rel"
        self.send(mqtt.ack(mqtt.PUBREL, packet.pid, version=self.version))

    def on_pubcomp(self, packet):
        self.finish(packet.pid)
        self.later()

    def later(self):
        """Goes on at the set pace."""
        asyncio.get_running_loop().call_later(self.oracle.pause, self.pump)


class Subscriber(Endpoint):
    def __init__(self, *args, filters, qos):
        super().__init__(*args)
        self.filters, self.qos = filters, qos
        self.ready = asyncio.Event()
        self.counts = {}    # (publisher, number) -> arrivals
        self.last = {}      # (publisher, topic) -> highest number whose first arrival came
        self.disorder = []
        self.held = {}      # packet id -> seen and not released (QoS 2)

    def on_connected(self, connack):
        if not connack.session_present:
            self.held.clear()
            self.send(mqtt.subscribe(1, [(f, self.qos) for f in self.filters], self.version))
        else:
            self.ready.set()

    def on_suback(self, packet):
        assert all(r <= 2 for r in packet.reasons), packet.reasons
        self.ready.set()

    def on_publish(self, packet):
        if packet.qos == 2:
            if packet.pid not in self.held:
                self.held[packet.pid] = packet.payload
                self.take(packet)
            elif self.held[packet.pid] != packet.payload:
                self.oracle.note(f"{self.client_id}: packet id {packet.pid} came with another message")
                self.disorder.append(("packet id", packet.pid, self.held[packet.pid], packet.payload))
            self.send(mqtt.ack(mqtt.PUBREC, packet.pid, version=self.version))
        else:
            self.take(packet)
            if packet.qos == 1:
                self.send(mqtt.ack(mqtt.PUBACK, packet.pid, version=self.version))

    def on_pubrel(self, packet):
        self.held.pop(packet.pid, None)
        self.send(mqtt.ack(mqtt.PUBCOMP, packet.pid, version=self.version))

    def take(self, packet):
        publisher, qos, number = packet.payload.decode().split(":")
        number = int(number)
        key = (publisher, number)
        self.counts[key] = self.counts.get(key, 0) + 1
        if self.counts[key] == 1:
            before = self.last.get((publisher, packet.topic), 0)
            if number < before:
                self.disorder.append((publisher, packet.topic, before, number))
            else:
                self.last[(publisher, packet.topic)] = number
        self.oracle.arrived += 1


class Oracle:
    """Sets up the clients over the gateways' ports, lets `script` do its worst, judges."""

    def __init__(self, ports, publishers=200, clean_subscribers=4, persistent_subscribers=4, seed=None, pause=0.05,
                 window=4, steady=True, persistent_publishers=True, credentials=None, host="127.0.0.1"):
        self.seed = seed if seed is not None else random.SystemRandom().randrange(1 << 32)
        self.random = random.Random(self.seed)
        self.ports, self.pause, self.steady = ports, pause, steady
        self.notes, self.closings, self.arrived = [], [], 0
        self.publishers, self.subscribers = [], []
        tag = f"{self.seed:x}"
        for i in range(publishers):
            qos = 1 + i % 2
            clean = (i // 2) % 2 == 0 or not persistent_publishers
            version = (5, 4)[(i // 4) % 2]
            self.publishers.append(Publisher(self, f"p{tag}-{i}", self.home(i), version, clean, qos=qos,
                                             window=window, topics=2))
        for i in range(clean_subscribers + persistent_subscribers):
            clean = i < clean_subscribers
            self.subscribers.append(Subscriber(self, f"s{tag}-{i}", self.home(i), (5, 4)[i // 2 % 2], clean,
                                               filters=[f"{TOPIC}/#"], qos=2))
        for endpoint in self.publishers + self.subscribers:
            endpoint.credentials, endpoint.host = credentials or {}, host

    def home(self, i):
        k = i % len(self.ports)
        return self.ports[k:] + self.ports[:k]

    def note(self, text):
        if len(self.notes) < 200:
            self.notes.append(text)

    def closed(self, endpoint):
        self.closings.append(endpoint.client_id)

    async def run(self, script, settle=60):
        """script(oracle) is a coroutine that runs while the clients work."""
        print(f"oracle seed {self.seed}", flush=True)
        everyone = self.subscribers + self.publishers
        tasks = [asyncio.ensure_future(s.run()) for s in self.subscribers]
        await asyncio.wait_for(asyncio.gather(*(s.ready.wait() for s in self.subscribers)), 60)
        tasks += [asyncio.ensure_future(p.run()) for p in self.publishers]
        await asyncio.wait_for(asyncio.gather(*(p.connected.wait() for p in self.publishers)), 60)
        await script(self)
        for p in self.publishers:
            p.running = False
        deadline = time.monotonic() + settle
        while time.monotonic() < deadline and not (all(not p.flight for p in self.publishers) and not self.missing()):
            await asyncio.sleep(0.2)
        stuck = sum(len(p.flight) for p in self.publishers)
        for e in everyone:
            await e.stop()
        await asyncio.wait(tasks, timeout=20)
        return self.judge(stuck)

    def reconnect_all(self):
        """Every client's network fails for a moment: a balancer spreads them anew."""
        for endpoint in self.publishers + self.subscribers:
            if endpoint.writer is not None:
                endpoint.writer.close()

    def missing(self):
        """Acknowledged messages that a subscriber has not got (lost, if it stays so)."""
        out = []
        for s in self.subscribers:
            for p in self.publishers:
                for n in p.acked:
                    if (p.client_id, n) not in s.counts:
                        out.append((s.client_id, p.client_id, n))
        return out

    def judge(self, stuck):
        lost = self.missing()
        qos2 = {p.client_id for p in self.publishers if p.qos == 2}
        twice = [(s.client_id, k, n) for s in self.subscribers for k, n in s.counts.items()
                 if n > 1 and k[0] in qos2]
        disorder = [(s.client_id, d) for s in self.subscribers for d in s.disorder]
        acked = sum(len(p.acked) for p in self.publishers)
        print(f"oracle: {acked} acknowledged, {self.arrived} arrivals, {len(lost)} lost, {len(twice)} QoS 2 twice, "
              f"{len(disorder)} out of order, {stuck} unanswered, {len(self.closings)} closings", flush=True)
        verdict = []
        if lost:
            verdict.append(f"{len(lost)} lost, first {lost[:5]}")
        if twice:
            verdict.append(f"{len(twice)} QoS 2 twice, first {twice[:5]}")
        if disorder:
            verdict.append(f"{len(disorder)} out of order, first {disorder[:5]}")
        if stuck:
            verdict.append(f"{stuck} publishes never answered")
        if self.steady and self.closings:
            verdict.append(f"{len(self.closings)} connections closed: {self.closings[:5]} {self.notes[:5]}")
        if acked < len(self.publishers):
            verdict.append(f"only {acked} acknowledged: nothing was tested")
        assert not verdict, f"seed {self.seed}: " + "; ".join(verdict)
        return acked
