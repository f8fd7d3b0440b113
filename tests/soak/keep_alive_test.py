# SPDX-License-Identifier: Apache-2.0
"""Silent clients are closed between 1.5 and 1.6 times their keep alive, with their wills, and those
that ping stay. Half a minute: of shorter keep alives a tenth is less than a busy machine sleeps."""

import asyncio
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import bounds  # noqa: E402
import mqtt  # noqa: E402
from cluster import HOST, Cluster  # noqa: E402

KEEP_ALIVE, SILENT, PINGING = 20, 200, 20


class Client:
    def __init__(self, port, i):
        self.port, self.i, self.version = port, i, (3, 4, 5)[i % 3]

    async def connect(self):
        self.reader, self.writer = await asyncio.open_connection(HOST, self.port)
        self.parser = mqtt.Parser(self.version)
        self.writer.write(mqtt.connect(f"k{self.i}", self.version, keep_alive=KEEP_ALIVE,
                                       will={"topic": "gone", "payload": str(self.i), "qos": 1}))
        assert [p.reason for p in self.parser.feed(await self.reader.read(1000))] == [0]

    async def fall_silent(self):
        """How long after its last packet it was closed."""
        await asyncio.sleep(self.i % 7 * .3)
        begin = time.monotonic()
        self.writer.write(mqtt.packet(mqtt.PINGREQ))
        packets = []
        while data := await self.reader.read(1000):
            packets += self.parser.feed(data)
        took = time.monotonic() - begin
        assert [p.kind for p in packets] == [mqtt.PINGRESP] + [mqtt.DISCONNECT] * (self.version == 5), packets
        assert self.version != 5 or packets[1].reason == 0x8D
        self.writer.close()
        return took

    async def ping(self, stop):
        while not stop.is_set():
            self.writer.write(mqtt.packet(mqtt.PINGREQ))
            assert await self.reader.read(1000)
            await asyncio.sleep(KEEP_ALIVE / 4)
        self.writer.write(mqtt.disconnect(version=self.version))
        self.writer.close()


class KeepAlive(unittest.TestCase):
    async def scene(self, port):
        stop = asyncio.Event()
        clients = [Client(port, i) for i in range(SILENT + PINGING)]
        for client in clients:
            await client.connect()
        pinging = [asyncio.ensure_future(c.ping(stop)) for c in clients[SILENT:]]
        took = await asyncio.gather(*(c.fall_silent() for c in clients[:SILENT]))
        stop.set()
        await asyncio.gather(*pinging)
        return took

    def test_silent_clients_are_closed_within_a_tenth_of_their_keep_alive(self):
        with Cluster() as c, mqtt.Client(c.port()) as watcher:
            watcher.connect("watcher", keep_alive=0)
            watcher.subscribe(("gone", 1))
            took = asyncio.run(self.scene(c.port()))
            print(f"{SILENT} clients were closed after {min(took) / KEEP_ALIVE:.3f} to {max(took) / KEEP_ALIVE:.3f} keep alives")
            self.assertGreaterEqual(min(took), 1.5 * KEEP_ALIVE - 0.01)  # the gateway counts milliseconds
            bounds.within(self, "slowest close, keep alives", max(took) / KEEP_ALIVE, 1.6)
            self.assertEqual(sorted(int(watcher.receive().payload) for _ in range(SILENT)), list(range(SILENT)))
            watcher.nothing()


if __name__ == "__main__":
    unittest.main(verbosity=2)
