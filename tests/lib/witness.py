# SPDX-License-Identifier: Apache-2.0
"""Ordinary clients that go on while something else happens: pairs of a publisher and a subscriber
in a process of their own, so that a busy test does not slow them. QoS 1 messages at a steady pace;
each is timed from its send to its arrival.

    with Witness([(port, wrap), ...]) as witness: ...
    witness.result: {"sent", "received", "p50_ms", "p99_ms", "max_ms"}"""

import multiprocessing
import select
import struct
import time

import mqtt


def _pair(port, wrap, name):
    sub = mqtt.Client(port, 5, wrap=wrap)
    sub.connect(name + "-s", keep_alive=600)
    sub.subscribe((name, 0))
    pub = mqtt.Client(port, 5, wrap=wrap)
    pub.connect(name + "-p", keep_alive=600)
    return sub, pub


def _has_input(sock):
    pending = getattr(sock, "pending", None) or getattr(getattr(sock, "sock", None), "pending", None)
    return (pending is not None and pending() > 0) or bool(getattr(sock, "data", b""))


def _read(client, seconds):
    """Packets that come within this time."""
    if client.packets:
        out, client.packets = client.packets, []
        return out
    inner = getattr(client.socket, "sock", client.socket)
    if not _has_input(client.socket) and not select.select([inner], [], [], seconds)[0]:
        return []
    data = client.socket.recv(65536)
    if not data:
        raise mqtt.Closed()
    return client.parser.feed(data)


def _run(endpoints, rate, name, pipe):
    pairs = [_pair(port, wrap, f"{name}-{i}") for i, (port, wrap) in enumerate(endpoints)]
    pipe.send("ready")
    sent, taken, ends = 0, [], None
    due = time.monotonic()
    while True:
        now = time.monotonic()
        if ends is None and pipe.poll():
            ends = now + 5
        if ends is not None and (len(taken) == sent or now > ends):
            break
        if ends is None and now >= due:
            due = max(due + 1 / rate, now - 0.05)
            sub, pub = pairs[sent % len(pairs)]
            pub.send(mqtt.publish(f"{name}-{sent % len(pairs)}", struct.pack(">d", time.monotonic()), 1, sent % 60000 + 1))
            sent += 1
        for sub, pub in pairs:
            for packet in _read(sub, 0.0005):
                if packet.kind == mqtt.PUBLISH:
                    taken.append(time.monotonic() - struct.unpack(">d", packet.payload)[0])
            _read(pub, 0)
    for pair in pairs:
        for client in pair:
            client.close()
    taken.sort()
    pipe.send({"sent": sent, "received": len(taken),
               **{f"p{p}_ms": round(1000 * taken[min(len(taken) - 1, len(taken) * p // 100)], 2) for p in (50, 99)},
               "max_ms": round(1000 * taken[-1], 2)})


class Witness:
    def __init__(self, endpoints, rate=200, name="witness"):
        self.result = None
        self.pipe, other = multiprocessing.Pipe()
        self.process = multiprocessing.get_context("fork").Process(target=_run, args=(endpoints, rate, name, other),
                                                                   daemon=True)

    def __enter__(self):
        self.process.start()
        assert self.pipe.poll(20) and self.pipe.recv() == "ready"
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.pipe.send("end")
            assert self.pipe.poll(30), "the witnesses did not end"
            self.result = self.pipe.recv()
        else:
            self.process.kill()
        self.process.join()
