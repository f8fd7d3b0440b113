# SPDX-License-Identifier: Apache-2.0
"""MQTT over WebSocket, byte by byte: the upgrade, frames, limits; and the basics over it."""

import os
import random
import socket
import struct
import unittest

from base import ClusterTest, await_true, mqtt
from basics_test import Basics
import websocket as ws

CONNECT = mqtt.connect("raw")


def random_frames(rng, sock):
    """Sends a burst of frames, most of them good, and closes; how many. With a CONNECT first, or not."""
    burst, data = rng.randrange(1, 200), b""
    sock.settimeout(40)
    if rng.random() < .7:
        sock.sendall(mqtt.connect("random" + rng.randbytes(4).hex()))
        assert sock.recv(0)[0] >> 4 == mqtt.CONNACK
    for _ in range(burst):
        kind = rng.random()
        if kind < .2:
            data += rng.randbytes(rng.randrange(1, 40))
        elif kind < .9:
            payload = rng.choice((b"", b"\xc0\x00", mqtt.publish("a/b", b"x", 0), rng.randbytes(rng.randrange(200))))
            data += ws.frame(payload, rng.choice((0, 2, 2, 2, 2, 8, 9, 9, 10)), fin=rng.random() < .9, mask=rng.randbytes(4))
        else:
            data += ws.frame(b"", rng.randrange(16), fin=rng.random() < .5, masked=rng.random() < .9,
                             rsv=rng.choice((0, 0, 0x10)), length=(rng.choice((126, 127)), rng.randrange(1 << 16)))
    try:
        sock.sock.sendall(data)
    except OSError:
        pass  # closed before all was sent
    sock.close()
    return burst


class OverWebSocket(Basics, ClusterTest):
    TRANSPORT = "ws"

    @staticmethod
    def wrap(sock):
        return ws.WebSocket(sock)


class Upgrade(ClusterTest):
    OPTIONS = {"per": {"gateway": {"SLUICE_WS_ORIGINS": "https://example.org, http://localhost:8080",
                                   "SLUICE_CONNECT_TIMEOUT": "4s"}}}

    def dial(self):
        sock = socket.create_connection(("127.0.0.1", self.cluster.port(0, "ws")), 40)
        self.addCleanup(sock.close)
        return sock

    def status(self, data):
        sock = self.dial()
        sock.sendall(data)
        status, headers, rest = ws.read_head(sock)
        if status != 101:
            self.assertEqual((rest, headers["content-length"]), (b"", "0"))
            self.assertEqual(sock.recv(1), b"", "a refused request ends the connection")
        return status

    def test_what_is_accepted_and_what_is_refused(self):
        good = {"Sec-WebSocket-Protocol": None}
        for want, headers in (
                (101, {}), (101, good),
                (101, {"Connection": "keep-alive, Upgrade"}), (101, {"Upgrade": "WebSocket"}),
                (101, {"Sec-WebSocket-Protocol": "foo, mqtt"}), (101, {"Sec-WebSocket-Extensions": "permessage-deflate"}),
                (101, {"Origin": "HTTPS://Example.org"}), (101, {"Origin": "http://localhost:8080"}),
                (403, {"Origin": "https://example.org.evil.net"}), (403, {"Origin": "null"}),
                (400, {"Sec-WebSocket-Protocol": "foo, bar"}), (400, {"Host": None}), (400, {"Sec-WebSocket-Key": None}),
                (400, {"Sec-WebSocket-Key": "c2hvcnQ="}), (400, {"Content-Length": "5"}),
                (400, {"Transfer-Encoding": "chunked"}), (426, {"Sec-WebSocket-Version": "8"}),
                (426, {"Sec-WebSocket-Version": None}), (426, {"Upgrade": None}), (426, {"Connection": "close"})):
            with self.subTest(headers=headers):
                self.assertEqual(self.status(ws.request(headers=headers)), want)
        line = ws.request()
        for want, data in ((405, line.replace(b"GET", b"POST", 1)), (505, line.replace(b"HTTP/1.1", b"HTTP/1.0")),
                           (400, line.replace(b"HTTP/1.1", b"FTP/1.1")), (400, line.replace(b"Host:", b"Host")),
                           (400, line.replace(b"Host", b"Host: a\r\nHost")), (400, line.replace(b"Host", b"Ho st")),
                           (400, line.replace(b"Host: ", b"A: b\r\n c\r\nHost: ")),
                           (400, line.replace(b"localhost\r\n", b"localhost\n")),
                           (400, line.replace(b"localhost", b"local\0host")), (400, b"\r\n\r\n"),
                           (431, line[:-2] + b"X: " + b"x" * 9000 + b"\r\n\r\n"),
                           (431, line[:-2] + b"X: y\r\n" * 120 + b"\r\n"), (431, b"x" * 8192)):
            with self.subTest(data=data[:200]):
                self.assertEqual(self.status(data), want)

    def test_the_first_known_subprotocol_is_chosen_and_none_offered_is_none_chosen(self):
        for offered, want in (("mqtt", "mqtt"), ("mqttv3.1", "mqttv3.1"), ("foo, mqttv3.1.1, mqtt", "mqttv3.1.1"),
                              ("mqttv5.0", "mqttv5.0"), (None, None)):
            got = ws.WebSocket(self.dial(), path="/any/path?x=y", headers={"Sec-WebSocket-Protocol": offered})
            self.assertEqual(got.headers.get("sec-websocket-protocol"), want)

    def test_a_request_in_single_bytes_with_frames_behind_it(self):
        sock = self.dial()
        for byte in ws.request() + ws.frame(CONNECT):
            sock.sendall(bytes([byte]))
        status, _, rest = ws.read_head(sock)
        while len(rest) < 4:
            rest += sock.recv(100)
        self.assertEqual((status, rest[0], rest[2] >> 4), (101, 0x82, mqtt.CONNACK))

    def test_a_slow_request_is_cut_off_by_the_connect_timeout(self):
        slow = self.dial()
        slow.sendall(b"GET / HTTP/1.1\r\nHost:")
        silent = self.dial()
        no_connect = ws.WebSocket(self.dial())
        for sock in (slow, silent):
            self.assertEqual(sock.recv(100), b"")
        self.assertEqual(no_connect.expect_close(), 1000)


class Frames(ClusterTest):
    OPTIONS = {"per": {"gateway": {"SLUICE_MAX_PACKET_SIZE": "100000"}}}

    def dial(self, connect=True):
        sock = ws.dial(self.cluster.port(0, "ws"))
        self.addCleanup(sock.close)
        if connect:
            sock.sendall(mqtt.connect(self.name(os.urandom(4).hex())))
            self.assertEqual(sock.recv(0)[0] >> 4, mqtt.CONNACK)
        return sock

    def alive(self, sock):
        sock.sendall(mqtt.packet(mqtt.PINGREQ))
        self.assertEqual(sock.recv(0), b"\xd0\x00")

    def test_packets_need_not_keep_to_frames(self):
        stream = CONNECT + mqtt.subscribe(1, [("t", 0)]) + mqtt.publish("t", bytes(range(256)) * 300) + b"\xc0\x00"
        for seed in range(20):
            rng, sock, at = random.Random(seed), self.dial(connect=False), 0
            data = b""
            while at < len(stream):
                n = rng.choice((0, 1, 2, 5, 100, 125, 126, 300, 70000))
                last = at + n >= len(stream)
                first = data == b"" or data_fin
                data_fin = last or rng.random() < .5
                data += ws.frame(stream[at:at + n], ws.BINARY if first else ws.CONTINUATION, fin=data_fin)
                if rng.random() < .3:
                    data += ws.frame(b"in between", ws.PING)
                at += n
            step = rng.choice((1, 7, 1000, 1 << 20)) if seed else 1
            for i in range(0, len(data), step if len(data) // step < 3000 else 50):
                sock.sock.sendall(data[i:i + (step if len(data) // step < 3000 else 50)])
            kinds, pongs = [], 0
            while len(kinds) < 4:  # SUBACK waits for others, not for what comes behind it
                opcode, payload = sock.next_frame()
                if opcode == ws.PONG:
                    self.assertEqual(payload, b"in between")
                    pongs += 1
                else:
                    kinds.append(payload[0] >> 4)
            self.assertEqual(kinds[0], mqtt.CONNACK)
            self.assertEqual(sorted(kinds), [mqtt.CONNACK, mqtt.PUBLISH, mqtt.SUBACK, mqtt.PINGRESP], seed)

    def test_many_packets_in_one_frame(self):
        sock = self.dial(connect=False)
        sock.sendall(CONNECT + mqtt.packet(mqtt.PINGREQ) * 1000)
        self.assertEqual(sock.recv(0)[0] >> 4, mqtt.CONNACK)
        for _ in range(1000):
            self.assertEqual(sock.recv(0), b"\xd0\x00")

    def test_ping_is_answered_with_its_payload_and_pong_is_ignored(self):
        sock = self.dial()
        for payload in (b"", b"x", os.urandom(125)):
            sock.sock.sendall(ws.frame(b"unasked", ws.PONG) + ws.frame(payload, ws.PING))
            self.assertEqual(sock.next_frame(), (ws.PONG, payload))
        self.alive(sock)

    def test_close_is_answered_and_ends_the_connection(self):
        for payload, want in ((b"", 1005), (struct.pack(">H", 1000), 1000), (struct.pack(">H", 1001) + b"bye", 1001),
                              (struct.pack(">H", 4000), 4000), (b"x", 1002), (struct.pack(">H", 1005), 1002),
                              (struct.pack(">H", 999), 1002), (struct.pack(">H", 2000), 1002),
                              (struct.pack(">H", 1000) + b"\xff", 1007)):
            sock = self.dial()
            sock.sock.sendall(ws.frame(payload, ws.CLOSE))
            self.assertEqual(sock.expect_close(), want, payload)

    def test_violations_are_answered_with_their_status(self):
        for want, data in ((1003, ws.frame(b"text", ws.TEXT)), (1002, ws.frame(b"x", masked=False)),
                           (1002, ws.frame(b"x", rsv=0x40)), (1002, ws.frame(b"x", rsv=0x10)), (1002, ws.frame(b"x", 3)),
                           (1002, ws.frame(b"x", 11)), (1002, ws.frame(b"x", ws.PING, fin=False)),
                           (1002, ws.frame(b"x" * 126, ws.PING)), (1002, ws.frame(b"x", ws.CONTINUATION)),
                           (1002, ws.frame(b"", fin=False) + ws.frame(b"x")),
                           (1002, ws.frame(b"x" * 100, length=(126, 100))),
                           (1002, ws.frame(b"x" * 1000, length=(127, 1000))),
                           (1002, ws.frame(b"", length=(127, 1 << 63))), (1009, ws.frame(b"", length=(127, 100001))),
                           (1009, ws.frame(b"", length=(127, 1 << 62)))):
            with self.subTest(data=data[:20].hex()):
                sock = self.dial()
                sock.sock.sendall(data)
                self.assertEqual(sock.expect_close(), want)

    def test_what_came_before_a_violation_counts(self):
        sub = self.client(self.name("s"))
        sub.subscribe((self.name(), 1))
        sock = self.dial()
        sock.sock.sendall(ws.frame(mqtt.publish(self.name(), "kept")) + ws.frame(b"", ws.TEXT))
        self.assertEqual(sub.receive().payload, b"kept")
        self.assertEqual(sock.expect_close(), 1003)

    def test_a_will_goes_out_when_a_websocket_closes_without_disconnect(self):
        watcher = self.client(self.name("w"))
        watcher.subscribe((self.name(), 0))
        for end in (lambda s: s.sock.sendall(ws.frame(b"", ws.CLOSE)), lambda s: s.close()):
            sock = self.dial(connect=False)
            sock.sendall(mqtt.connect(self.name("c"), will={"topic": self.name(), "payload": "gone"}))
            self.assertEqual(sock.recv(0)[0] >> 4, mqtt.CONNACK)
            end(sock)
            self.assertEqual(watcher.receive().payload, b"gone")

    def test_disconnect_is_followed_by_a_close_frame(self):
        sock = self.dial()
        sock.sendall(mqtt.disconnect())
        self.assertEqual(sock.expect_close(), 1000)
        sock = self.dial()
        sock.sendall(b"\xff\xff\xff")  # a malformed packet: DISCONNECT says why, then the frame
        self.assertEqual(sock.recv(0)[0] >> 4, mqtt.DISCONNECT)
        self.assertEqual(sock.expect_close(), 1000)

    def test_a_reader_that_stops_reading_gets_everything_in_order_later_with_its_pongs(self):
        sock = self.dial()
        sock.sendall(mqtt.subscribe(1, [(self.name(), 0)]))
        self.assertEqual(sock.recv(0)[0] >> 4, mqtt.SUBACK)
        sock.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
        pub = self.client(self.name("p"))
        size, count = 50000, 100
        for i in range(count):
            pub.publish(self.name(), struct.pack(">I", i) + bytes(size))
        pub.nothing()
        for i in range(5):
            sock.sock.sendall(ws.frame(b"late%d" % i, ws.PING))
        got, pong = 0, None
        while got < count or pong != b"late4":
            opcode, payload = sock.next_frame()
            if opcode == ws.PONG:
                pong = payload
                continue
            at = 4 + 2 + len(self.name()) + 1
            self.assertEqual((len(payload), struct.unpack_from(">I", payload, at)[0]), (at + 4 + size, got))
            got += 1

    def test_random_frames_harm_nobody(self):
        witness = self.dial()
        n = int(os.environ.get("WS_FRAMES", "20000"))
        seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
        print(f"SEED={seed}")
        rng, sent = random.Random(seed), 0
        while sent < n:
            sent += random_frames(rng, self.dial(connect=False))
        self.alive(witness)
        await_true("all have gone", lambda: self.cluster["gateway0"].metric("sluice_gateway_connections") <= 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
