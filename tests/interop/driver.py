# SPDX-License-Identifier: Apache-2.0
"""Test programs over MQTT clients that others wrote, spoken to in lines (README.md lists
them). One program holds one connection at a time. Killing it is the abrupt end of that."""

import os
import queue
import subprocess
import threading

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TIMEOUT_S = 60
TEXTS = ("id", "filter", "topic", "payload", "wtopic", "wpayload", "content", "response", "correlation", "key", "value")
EXTRAS = ("content", "response", "correlation", "key", "value")


def line_of(word, fields):
    out = [word]
    for key, value in fields.items():
        if value is None:
            continue
        if key in TEXTS:
            value = (value.encode() if isinstance(value, str) else value).hex()
        out.append(f"{key}={int(value) if isinstance(value, bool) else value}")
    return " ".join(out) + "\n"


class Line:
    """What a program said: word, and its fields as attributes."""

    def __init__(self, text):
        self.word, *pairs = text.split(" ")
        self.topic, self.payload, self.extras = "", b"", {}
        for pair in pairs:
            key, equals, value = pair.partition("=")
            if not equals:
                continue
            if key in TEXTS:
                value = bytes.fromhex(value)
                if key == "topic":
                    value = value.decode()
                if key in EXTRAS:
                    self.extras[key] = value
            else:
                value = int(value)
            setattr(self, key, value)

    def __repr__(self):
        fields = {k: v if not isinstance(v, bytes) or len(v) < 60 else f"{len(v)} bytes" for k, v in vars(self).items()}
        return str(fields)


class Driver:
    """How to start the program of one library, and the idle ones that wait to be used again."""

    def __init__(self, name, command, env=None, burst=100, places=("near", "far")):
        """burst: messages that it is told to publish at once."""
        self.name, self.command, self.env, self.burst, self.places = name, command, env or {}, burst, places
        self.idle, self.library = [], "not started"

    def take(self):
        return self.idle.pop() if self.idle else Peer(self)

    def end(self):
        for peer in self.idle:
            peer.kill()
        self.idle.clear()


class Peer:
    """One running program."""

    def __init__(self, driver):
        self.driver, self.connected, self.leaving = driver, False, False
        self.answers, self.messages, self.queue = [], [], queue.Queue()
        env = {k: v for k, v in os.environ.items() if not k.startswith(("SLUICE_", "ASAN_", "LSAN_"))}
        self.process = subprocess.Popen(driver.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env={**env, **driver.env}, cwd=TOP)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        hello = self.queue.get(timeout=60)
        assert hello is not None and hello.startswith("library "), f"{driver.name}: {hello}"
        driver.library = hello[len("library "):]

    def _read(self):
        for line in self.process.stdout:
            self.queue.put(line.decode().rstrip("\n"))
        self.queue.put(None)

    def _fill(self, timeout):
        try:
            text = self.queue.get(timeout=timeout)
        except queue.Empty:
            raise AssertionError(f"{self.driver.name}: nothing came in {timeout} s") from None
        assert text is not None, f"{self.driver.name}: the program ended with {self.process.wait()}"
        line = Line(text)
        (self.messages if line.word == "message" else self.answers).append(line)

    def say(self, word, **fields):
        self.process.stdin.write(line_of(word, fields).encode())
        self.process.stdin.flush()

    def answer(self, word, timeout=TIMEOUT_S):
        while not self.answers:
            self._fill(timeout)
        got = self.answers.pop(0)
        assert got.word == word, f"{self.driver.name}: expected {word}, got {got}"
        return got

    def message(self, timeout=TIMEOUT_S):
        while not self.messages:
            self._fill(timeout)
        return self.messages.pop(0)

    def waiting(self):
        """Number of messages that have come and not been taken."""
        while not self.queue.empty():
            self._fill(TIMEOUT_S)
        return len(self.messages)

    def connect(self, port, version, client_id, clean=True, expiry=0, will=None):
        """will: dict(topic, payload, qos, retain)"""
        fields = {} if will is None else {"w" + key: value for key, value in will.items()}
        self.say("connect", port=port, version=version, id=client_id, clean=clean, expiry=expiry, **fields)
        self.client_id, self.connack = client_id, self.answer("connected")
        assert self.connack.code == 0, f"{self.driver.name}: {self.connack}"
        self.connected = True
        return self

    def subscribe(self, filter_, qos=2, code=None):
        self.say("subscribe", filter=filter_, qos=qos)
        got = self.answer("subscribed")
        assert got.code == (qos if code is None else code), f"{self.driver.name}: {got}"

    def unsubscribe(self, filter_):
        self.say("unsubscribe", filter=filter_)
        got = self.answer("unsubscribed")
        assert got.code == 0, f"{self.driver.name}: {got}"

    def publish(self, topic, payload, qos=1, retain=False, **extras):
        """Returns when the QoS flow is finished."""
        self.publish_many([(topic, payload, qos, retain, extras)])

    def publish_many(self, messages):
        """Says them all, as fast as the library takes them, and then awaits the ends of all."""
        for topic, payload, qos, retain, extras in messages:
            self.say("publish", topic=topic, payload=payload, qos=qos, retain=retain, **extras)
        for _ in messages:
            got = self.answer("published")
            assert got.code in (0, 16), f"{self.driver.name}: {got}"  # 16: nobody subscribes

    def disconnect(self):
        self.say("disconnect")
        self.answer("disconnected")
        self.connected = False

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.reader.join()
        self.process.stdout.close()
        self.connected = False

    def leave(self):
        """Tells it to end the connection, if there is one."""
        self.leaving = self.connected and self.process.poll() is None
        if self.leaving:
            self.say("disconnect")
            self.connected = False

    def release(self):
        """After leave(): the program waits for its next use."""
        if self.process.poll() is not None:
            return
        try:
            if self.leaving:
                self.answer("disconnected")
            assert not self.answers, f"{self.driver.name}: unexpected {self.answers}"
        except BaseException:
            self.kill()
            raise
        self.messages.clear()
        self.driver.idle.append(self)
