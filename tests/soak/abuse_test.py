# SPDX-License-Identifier: Apache-2.0
"""What strangers do to a gateway: slow-loris on every transport, floods of TLS handshakes, forged
PROXY headers, 100,000 random WebSocket frames. Each is refused and counted, ordinary clients
go on (their latency is printed, never asserted), and nothing leaks (ASan programs). The same again
with release programs for the latency. About a minute."""

import os
import random
import shutil
import socket
import ssl
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "lib"), os.path.join(HERE, "..", "integration")]
import cluster as programs  # noqa: E402
import mqtt  # noqa: E402
import websocket as ws  # noqa: E402
from certs import Authority  # noqa: E402
from cluster import HOST, Cluster, await_true  # noqa: E402
from websocket_test import random_frames  # noqa: E402
from witness import Witness  # noqa: E402

BALANCER = "127.0.0.5"  # trusted; everybody else speaks for itself
SLOW_EACH, SPOOFED, FLOOD_S, FRAMES = 200, 2000, 10, int(os.environ.get("WS_FRAMES", "100000"))
HANDSHAKES = 200


class Abuse(unittest.TestCase):
    FLAVOUR = "asan"

    @classmethod
    def setUpClass(cls):
        cls.former, programs.FLAVOUR = programs.FLAVOUR, cls.FLAVOUR
        cls.ca = Authority()
        cls.addClassCleanup(shutil.rmtree, cls.ca.directory)
        cert, key = cls.ca.issue("localhost", san="DNS:localhost")
        cls.context = ssl.create_default_context(cafile=cls.ca.pem)
        cls.cluster = Cluster(
            tls={"SLUICE_TLS_CERT": cert, "SLUICE_TLS_KEY": key, "SLUICE_TLS_HANDSHAKES": HANDSHAKES},
            per={"gateway": {"SLUICE_MQTT_PROXY": "on", "SLUICE_TLS_PROXY": "on", "SLUICE_PROXY_TRUSTED": BALANCER,
                             "SLUICE_CONNECT_TIMEOUT": "4s"}}).start()
        cls.gateway = cls.cluster["gateway0"]

    @classmethod
    def tearDownClass(cls):
        try:
            cls.cluster.stop()
        finally:
            cls.cluster.abandon()
            programs.FLAVOUR = cls.former

    def tls(self, sock):
        return self.context.wrap_socket(sock, server_hostname="localhost")

    def dial(self, transport, source=HOST):
        sock = socket.create_connection((HOST, self.cluster.port(0, transport)), 30, (source, 0))
        self.addCleanup(sock.close)
        return sock

    def witness(self):
        port = self.cluster.port
        return Witness([(port(0), None), (port(0, "ws"), ws.WebSocket), (port(0, "tls"), self.tls)])

    def refused(self, reason):
        return self.gateway.metrics()[f'sluice_gateway_connections_refused_total{{reason="{reason}"}}']

    def settle(self, witness, what):
        result = witness.result
        print(f"{self.FLAVOUR}: {what}: others p50 {result['p50_ms']} ms, p99 {result['p99_ms']} ms, max "
              f"{result['max_ms']} ms ({result['received']} messages)", flush=True)
        self.assertEqual(result["received"], result["sent"])
        await_true("all strangers have gone", lambda: self.gateway.metric("sluice_gateway_connections") == 0)

    def test_0_nobody_disturbs(self):
        with self.witness() as witness:
            time.sleep(3)  # the length of the measurement, not a wait
        self.settle(witness, "quiet")

    @staticmethod
    def drip(sock, data, at):
        """One byte; whether the other end is still there."""
        try:
            sock.settimeout(0)
            sock.sendall(data[at:at + 1])
            if sock.recv(1000):
                return True
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return True
        except OSError:
            pass
        sock.close()
        return False

    def test_1_slow_loris_on_every_transport(self):
        hello = ssl.MemoryBIO()
        peer = self.context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost")
        self.assertRaises(ssl.SSLWantReadError, peer.do_handshake)
        drips = {"mqtt": (HOST, mqtt.connect("a-name-that-never-ends" * 3)), "tls": (HOST, hello.read()),
                 "ws": (HOST, ws.request()), "wss": (HOST, ws.request()),
                 "proxy": (BALANCER, b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n")}
        before = self.refused("connect_timeout")
        with self.witness() as witness:
            slow = []
            for kind, (source, data) in drips.items():
                for _ in range(SLOW_EACH):
                    sock = self.dial("mqtt" if kind == "proxy" else kind, source)
                    slow.append((self.tls(sock) if kind == "wss" else sock, data))
            open_count = len(slow)
            at = 0
            while slow:
                slow = [entry for entry in slow if self.drip(*entry, at)]
                at = min(at + 1, 20)
                time.sleep(0.2)  # the pace of the drip
        await_true("each is counted", lambda: self.refused("connect_timeout") == before + open_count)
        self.settle(witness, f"{open_count} slow clients")

    def flood(self, stop, counts, whole):
        session = ssl.create_default_context(cafile=self.ca.pem)
        while not stop.is_set():
            try:
                with socket.create_connection((HOST, self.cluster.port(0, "tls")), 30) as sock:
                    if whole:
                        with session.wrap_socket(sock, server_hostname="localhost"):
                            counts.append(1)
                    else:
                        sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(100))
                        sock.shutdown(socket.SHUT_WR)
                        sock.recv(100)
            except OSError:
                pass

    def test_2_floods_of_tls_handshakes_keep_to_their_pace(self):
        done = 'sluice_gateway_tls_handshakes_total{result="%s"}'
        with self.witness() as witness:
            before, stop, counts = self.gateway.metrics(), threading.Event(), []
            threads = [threading.Thread(target=self.flood, args=(stop, counts, i % 2 == 0)) for i in range(16)]
            begin = time.monotonic()
            for thread in threads:
                thread.start()
            time.sleep(FLOOD_S)  # the length of the flood
            stop.set()
            for thread in threads:
                thread.join()
            took = time.monotonic() - begin
            after = self.gateway.metrics()
        done, failed = (after[done % r] - before[done % r] for r in ("done", "failed"))
        print(f"{self.FLAVOUR}: {done / took:.0f} handshakes/s done, {failed / took:.0f}/s failed at a pace of {HANDSHAKES}/s")
        self.assertGreater(len(counts), 0)
        self.assertGreater(failed, 0)
        self.assertLessEqual(done + failed, HANDSHAKES * (took + 1))
        self.settle(witness, "handshake flood")

    def test_3_forged_proxy_headers_are_refused_and_counted(self):
        before = self.refused("proxy_spoofed")
        with self.witness() as witness:
            for i in range(SPOOFED):
                with socket.create_connection((HOST, self.cluster.port(0, ("mqtt", "tls")[i % 2])), 30) as sock:
                    try:
                        sock.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" if i % 3 else b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c")
                        self.assertEqual(sock.recv(10), b"")
                    except ConnectionResetError:
                        pass
        await_true("each is counted", lambda: self.refused("proxy_spoofed") == before + SPOOFED)
        self.settle(witness, f"{SPOOFED} forged headers")

    def test_4_random_websocket_frames(self):
        seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
        before = self.gateway.metric("sluice_gateway_websockets_failed_total")
        rng = random.Random(seed)
        with self.witness() as witness:
            sent = 0
            while sent < FRAMES:
                secure = rng.random() < .1
                sock = self.dial("wss" if secure else "ws")
                sent += random_frames(rng, ws.WebSocket(self.tls(sock) if secure else sock))
        self.assertGreater(self.gateway.metric("sluice_gateway_websockets_failed_total"), before)
        self.settle(witness, f"{sent} random frames, SEED={seed}")

    def test_5_what_it_took_is_given_back(self):
        print(f"{self.FLAVOUR}: gateway {self.gateway.rss_kb()} KiB at the end", flush=True)
        self.assertEqual(self.gateway.metric("sluice_gateway_output_chunks"), 0)


class AbuseOfReleasePrograms(Abuse):
    FLAVOUR = "release"


if __name__ == "__main__":
    unittest.main(verbosity=2)
