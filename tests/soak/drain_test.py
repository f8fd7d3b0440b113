# SPDX-License-Identifier: Apache-2.0
"""A gateway with 2,000 clients is told to stop: they are sent away at the set rate, to the server
that is named; the other gateway refuses none of them, and nobody misses a message."""

import asyncio
import os
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import bounds  # noqa: E402
import mqtt  # noqa: E402
from cluster import Cluster  # noqa: E402

CLIENTS, RATE, ROUNDS = 2000, 500, 40


class Device:
    """Persistent, QoS 1, on its own topic; goes where it is told."""

    def __init__(self, number):
        self.id, self.got, self.refused = f"device{number}", set(), []
        self.sent_away_at = self.reason = self.reference = None
        self.subscribed = asyncio.Event()
        self.writer = None

    async def run(self, first, second):
        await self.live(first)
        if self.sent_away_at is not None:
            await self.live(second)

    async def live(self, port):
        reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        self.writer.write(mqtt.connect(self.id, clean=False, props={"session_expiry": 600}))
        parser = mqtt.Parser(5)
        while data := await reader.read(65536):
            for packet in parser.feed(data):
                if packet.kind == mqtt.CONNACK:
                    if packet.reason:
                        self.refused.append(packet.reason)
                    elif not packet.session_present:
                        self.writer.write(mqtt.subscribe(1, [(f"to/{self.id}", 1)]))
                elif packet.kind == mqtt.SUBACK:
                    self.subscribed.set()
                elif packet.kind == mqtt.PUBLISH:
                    self.got.add(packet.payload)
                    self.writer.write(mqtt.ack(mqtt.PUBACK, packet.pid))
                elif packet.kind == mqtt.DISCONNECT:
                    self.sent_away_at, self.reason = time.monotonic(), packet.reason
                    self.reference = packet.props.get("server_reference")
        self.writer.close()


class Publisher:
    """To every device in turn on the gateway that stays, acknowledged each."""

    def __init__(self):
        self.sent, self.acked, self.pid, self.running = {}, set(), 0, True

    async def run(self, port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(mqtt.connect("publisher"))
        parser, free = mqtt.Parser(5), asyncio.Semaphore(200)

        async def listen():
            while data := await reader.read(65536):
                for packet in parser.feed(data):
                    if packet.kind == mqtt.PUBACK:
                        self.acked.add(self.sent.pop(packet.pid))
                        free.release()
        listening = asyncio.ensure_future(listen())
        for n in range(ROUNDS):
            for i in range(CLIENTS):
                if not self.running:
                    break
                await free.acquire()
                self.pid = self.pid % 65535 + 1
                self.sent[self.pid] = (i, str(n).encode())
                writer.write(mqtt.publish(f"to/device{i}", str(n), 1, self.pid))
                if i % 20 == 0:
                    await asyncio.sleep(0.005)
        while self.sent:
            await asyncio.sleep(0.05)
        writer.close()
        await listening


class Drain(unittest.TestCase):
    def test_2000_clients_leave_at_the_set_rate_and_lose_nothing(self):
        with Cluster(gateways=2, cores=2, per={"gateway": {
                "SLUICE_DRAIN_WAIT": "500ms", "SLUICE_DRAIN_RATE": RATE, "SLUICE_SERVER_REFERENCE": "other.example.org:18883"}}) as c:
            asyncio.run(self.scene(c))
            self.assertEqual(c["gateway0"].process.wait(30), 0)

    async def scene(self, c):
        devices = [Device(i) for i in range(CLIENTS)]
        tasks = []
        for k in range(0, CLIENTS, 100):
            tasks += [asyncio.ensure_future(d.run(c.port(0), c.port(1))) for d in devices[k:k + 100]]
            await asyncio.wait_for(asyncio.gather(*(d.subscribed.wait() for d in devices[k:k + 100])), 60)
        publisher = Publisher()
        publishing = asyncio.ensure_future(publisher.run(c.port(1)))
        while len(publisher.acked) < CLIENTS:
            await asyncio.sleep(0.05)
        c["gateway0"].kill(signal.SIGTERM)
        while any(d.sent_away_at is None for d in devices):
            await asyncio.sleep(0.1)
        publisher.running = False
        await asyncio.wait_for(publishing, 60)
        deadline = time.monotonic() + 60
        missing = [1]
        while missing and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
            missing = [(i, n) for i, n in publisher.acked if n not in devices[i].got]
        for task in tasks:
            task.cancel()
        for d in devices:
            d.writer.close()
        self.assertEqual(missing[:5], [])
        self.assertEqual({(d.reason, d.reference) for d in devices}, {(0x9C, "other.example.org:18883")})
        self.assertEqual([d.refused for d in devices if d.refused], [])
        times = sorted(d.sent_away_at for d in devices)
        # Without the first and the last twentieth, where the beginning and the rounding sit.
        cut = CLIENTS // 20
        rate = (CLIENTS - 2 * cut) / (times[-cut] - times[cut])
        print(f"{CLIENTS} clients at {rate:.0f} per second (set: {RATE}), {len(publisher.acked)} messages acknowledged, none lost")
        bounds.within(self, "rate of the drain", rate, RATE * 1.1, RATE * 0.9)


if __name__ == "__main__":
    unittest.main(verbosity=2)
