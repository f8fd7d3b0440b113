# SPDX-License-Identifier: Apache-2.0
"""What every client does, whatever library it is made with: the same list for all, in each
version, with both ends on one gateway (near) and on two (far)."""

import itertools
import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from cluster import Cluster, await_true  # noqa: E402

LARGE = bytes(range(256)) * 4096  # 1 MiB
UNICODE = ("zürich/straße", "日本/東京", "emoji/🚰💧", " /with spaces / ", "عربى/hello", "/", "a//b", "$x/§")


class InteropTest(unittest.TestCase):
    """DRIVER, VERSION and FAR are set by tests_of()."""

    DRIVER, VERSION, FAR, cluster, owner = None, 4, 0, None, None

    @classmethod
    def setUpClass(cls):
        start_cluster()

    @classmethod
    def tearDownClass(cls):
        cls.DRIVER.end()

    def setUp(self):
        self.peers = []

    def tearDown(self):
        for peer in self.peers:  # all at once: some libraries take their time
            peer.leave()
        for peer in self.peers:
            peer.release()

    def name(self, suffix=""):
        """Unique among all tests of all classes, and short: client ids of 3.1.1 hold 23 characters at least."""
        return f"{type(self).__name__}.{self._testMethodName[5:]}{suffix}"

    def near(self, suffix, driver=None, gateway=0, version=None, **options):
        """A connected client at the publishers' gateway."""
        peer = (driver or self.DRIVER).take()
        self.peers.append(peer)
        return peer.connect(self.cluster.port(gateway), version or self.VERSION, self.name(suffix), **options)

    def far(self, suffix, **options):
        """A connected client at the subscribers' gateway."""
        return self.near(suffix, gateway=self.FAR, **options)

    def assert_message(self, got, topic, payload, qos, retain=False, extras=None):
        if got.payload != payload and len(payload) > 1000:
            self.fail(f"{len(got.payload)} bytes came that are not those {len(payload)} that went")
        self.assertEqual((got.topic, got.payload, got.qos, bool(got.retain)), (topic, payload, qos, retain))
        self.assertEqual(got.extras, extras or {})

    def assert_nothing(self, subscriber, publisher, topic):
        """A marker published now is what the subscriber receives next."""
        publisher.publish(topic, "marker", 1)
        got = subscriber.message()
        self.assertEqual((got.topic, got.payload), (topic, b"marker"))


class Scenarios:
    def test_qos(self):
        """Every QoS both ways: what arrives has the lower of the two."""
        sub, pub = self.far("s"), self.near("p")
        for sub_qos in range(3):
            sub.subscribe(self.name(f"/{sub_qos}"), sub_qos)
        for sub_qos, pub_qos in itertools.product(range(3), range(3)):
            with self.subTest(sub=sub_qos, pub=pub_qos):
                topic = self.name(f"/{sub_qos}")
                pub.publish(topic, f"{pub_qos}", pub_qos)
                self.assert_message(sub.message(), topic, b"%d" % pub_qos, min(sub_qos, pub_qos))

    def test_both_ways(self):
        """Both ends publish and subscribe at once."""
        ends = [self.far("a"), self.near("b")]
        for end in ends:
            end.subscribe(self.name(), 2)
        for i, end in enumerate(ends):
            end.publish(self.name(), f"from {i}", 2)
            for other in ends:
                self.assert_message(other.message(), self.name(), b"from %d" % i, 2)

    def test_order(self):
        """Many of each QoS, as fast as the library goes, arrive once and in order."""
        sub, pub = self.far("s"), self.near("p")
        sub.subscribe(self.name("/#"), 2)
        for qos in range(3):
            topic = self.name(f"/{qos}")
            count = self.DRIVER.burst
            pub.publish_many([(topic, f"{i}", qos, False, {}) for i in range(count)])
            for i in range(count):
                self.assert_message(sub.message(), topic, b"%d" % i, qos)

    def test_wildcards_and_unsubscribe(self):
        sub, pub = self.far("s"), self.near("p")
        sub.subscribe(self.name("/+/x"), 1)
        pub.publish(self.name("/a/y"), "no", 1)
        pub.publish(self.name("/a/x"), "yes", 1)
        self.assert_message(sub.message(), self.name("/a/x"), b"yes", 1)
        sub.unsubscribe(self.name("/+/x"))
        sub.subscribe(self.name("/end"), 1)
        pub.publish(self.name("/a/x"), "no more", 1)
        self.assert_nothing(sub, pub, self.name("/end"))

    def test_retained(self):
        """Set, met by a later subscriber, replaced, cleared."""
        pub = self.near("p")
        for qos, payload in enumerate((b"first", b"second", b"third")):
            pub.publish(self.name(), payload, qos, retain=True)
            if qos == 0:  # nobody says when it is stored: what comes behind it does
                pub.publish(self.name(), payload, 1, retain=True)
            sub = self.far(f"s{qos}")
            sub.subscribe(self.name("/#"), 2)
            self.assert_message(sub.message(), self.name(), payload, max(qos, 1), retain=True)
        pub.publish(self.name(), "", 1, retain=True)
        self.assert_message(sub.message(), self.name(), b"", 1)  # who is there hears of the end, unretained
        late = self.far("l")
        late.subscribe(self.name("/#"), 2)
        self.assert_nothing(late, pub, self.name())

    def test_will(self):
        """Published after an abrupt end, and only then."""
        watcher = self.far("w")
        watcher.subscribe(self.name("/#"), 2)
        for qos, retain in ((0, False), (1, True), (2, False)):
            with self.subTest(qos=qos, retain=retain):
                topic = self.name(f"/{qos}")
                polite = self.near(f"p{qos}", will={"topic": topic, "payload": "wrong", "qos": qos})
                polite.disconnect()
                abrupt = self.near(f"a{qos}", will={"topic": topic, "payload": f"gone {qos}", "qos": qos, "retain": retain})
                abrupt.kill()
                self.assert_message(watcher.message(), topic, b"gone %d" % qos, qos)
                late = self.far(f"l{qos}")
                late.subscribe(topic, 2)
                if retain:
                    self.assert_message(late.message(), topic, b"gone %d" % qos, qos, retain=True)
                self.assert_nothing(late, late, topic)
                watcher.message()  # the marker

    def test_resume(self):
        """A session's queue waits over an abrupt end; a clean start ends it."""
        kept = {"clean": False, "expiry": 3600}
        pub = self.near("p")
        first = self.near("s", **kept)
        self.assertIn(first.connack.present, (0, -1))  # -1: the library does not say
        first.subscribe(self.name("/#"), 2)
        pub.publish(self.name("/live"), "live", 0)  # at QoS 1 its end could come before its PUBACK: it would come again
        self.assert_message(first.message(), self.name("/live"), b"live", 0)
        first.kill()
        expected = [(self.name("/queued"), b"%d" % i, 1 + i % 2) for i in range(min(30, self.DRIVER.burst))]
        pub.publish_many([(*one, False, {}) for one in expected])
        second = self.far("s", **kept)  # on the other gateway where there are two
        self.assertIn(second.connack.present, (1, -1))
        got = [second.message() for _ in expected]
        for qos in (1, 2):  # ordered within a QoS: some libraries show QoS 2 at its PUBREL
            for message, one in zip((m for m in got if m.qos == qos), (e for e in expected if e[2] == qos)):
                self.assert_message(message, *one)
        pub.publish(self.name("/live"), "still subscribed", 2)
        self.assert_message(second.message(), self.name("/live"), b"still subscribed", 2)
        second.disconnect()
        pub.publish(self.name("/queued"), "lost by the clean start", 1)
        third = self.far("s", clean=True)
        self.assertEqual(third.connack.present, 0)
        third.subscribe(self.name("/#"), 1)
        self.assert_nothing(third, pub, self.name("/queued"))

    def test_sizes(self):
        """1 MiB and nothing at all."""
        sub, pub = self.far("s"), self.near("p")
        sub.subscribe(self.name(), 2)
        for qos, payload in itertools.product(range(3), (LARGE, b"")):
            with self.subTest(qos=qos, size=len(payload)):
                pub.publish(self.name(), payload, qos)
                self.assert_message(sub.message(), self.name(), payload, qos)

    def test_unicode(self):
        sub, exact, pub = self.far("s"), self.far("é"), self.near("p")
        sub.subscribe(self.name("/#"), 1)
        for topic in UNICODE:
            with self.subTest(topic=topic):
                exact.subscribe(self.name("/" + topic), 2)
                pub.publish(self.name("/" + topic), topic, 1)
                for end in (sub, exact):
                    self.assert_message(end.message(), self.name("/" + topic), topic.encode(), 1)


class Scenarios5:
    """What only 5.0 has."""

    def test_properties(self):
        sub, pub = self.far("s"), self.near("p")
        sub.subscribe(self.name(), 2)
        extras = {"content": b"text/plain", "response": "wohin/ü".encode(), "correlation": b"\x00\xff\x01",
                  "key": b"name", "value": "värde".encode()}
        for qos in range(3):
            pub.publish(self.name(), "with", qos, **extras)
            self.assert_message(sub.message(), self.name(), b"with", qos, extras=extras)
        pub.publish(self.name(), "without", 1)
        self.assert_message(sub.message(), self.name(), b"without", 1)

    def test_shared(self):
        """Two groups of two members each: every message once per group, whoever gets it."""
        pub = self.near("p")
        self.assertEqual(pub.connack.shared, 1, "CONNACK says that there are no shared subscriptions")
        groups = {g: [self.near(g + "1"), self.far(g + "2")] for g in ("red", "blue")}
        for group, members in groups.items():
            for member in members:
                member.subscribe(f"$share/{group}/{self.name()}", 2)
        sent = sorted(f"{i}".encode() for i in range(40))
        pub.publish_many([(self.name(), payload, i % 3, False, {}) for i, payload in enumerate(sent)])
        for group, members in groups.items():
            await_true(f"all messages at {group}", lambda: sum(m.waiting() for m in members) >= len(sent))
            got = [[member.message() for _ in range(member.waiting())] for member in members]
            self.assertEqual(sorted(message.payload for mine in got for message in mine), sent)
            self.assertNotIn([], got, "a member got nothing")
            for i, message in ((sent.index(message.payload), message) for mine in got for message in mine):
                self.assert_message(message, self.name(), sent[i], i % 3)
        for member in itertools.chain(*groups.values()):
            own = self.name("/own/" + member.client_id)
            member.subscribe(own, 2)
            self.assert_nothing(member, pub, own)


def tests_of(drivers, place):
    """Test classes of every driver, version and place, into `place` (a module's globals)."""
    for driver in drivers:
        for version, where in itertools.product((4, 5), driver.places):
            bases = (Scenarios, Scenarios5, InteropTest) if version == 5 else (Scenarios, InteropTest)
            name = f"{driver.name}_{'v5' if version == 5 else 'v311'}_{where}"
            place[name] = type(name, bases, {"DRIVER": driver, "VERSION": version, "FAR": int(where == "far"),
                                             "__module__": place["__name__"]})


def everybody(drivers):
    """One test in which all libraries meet."""

    class Everybody(InteropTest):
        DRIVER = drivers[0]

        @classmethod
        def tearDownClass(cls):
            for driver in drivers:
                driver.end()

        def test_all_hear_all(self):
            ends = [self.near(f"{driver.name}{version}", driver, i % 2, version)
                    for i, (driver, version) in enumerate(itertools.product(drivers, (4, 5)))]
            for end in ends:
                end.subscribe(self.name("/+"), 2)
            for i, end in enumerate(ends):
                for qos in range(3):
                    end.publish(self.name(f"/{qos}"), f"from {i}", qos)
                    for other in ends:
                        self.assert_message(other.message(), self.name(f"/{qos}"), b"from %d" % i, qos)
            print("libraries:", "; ".join(driver.library for driver in drivers), file=sys.stderr)

    return Everybody


def start_cluster():
    if InteropTest.cluster is None:
        InteropTest.cluster, InteropTest.owner = Cluster(gateways=2, cores=1).start(), os.getpid()


def stop_cluster():
    """unittest's tearDownModule: every program must end well."""
    if InteropTest.cluster is None or InteropTest.owner != os.getpid():
        return
    cluster, InteropTest.cluster = InteropTest.cluster, None
    try:
        cluster.stop()
    finally:
        cluster.abandon()


def run_all(module):
    """The tests of each library in a process of its own, all at once: they mostly wait. Or
    those that the command line names, one after another."""
    if len(sys.argv) > 1:
        unittest.main(module, verbosity=2)
    classes, running = {}, []
    for case in vars(module).values():
        if isinstance(case, type) and issubclass(case, InteropTest) and case.DRIVER is not None:
            classes.setdefault(case.DRIVER, []).append(case)
    start_cluster()
    for cases in classes.values():
        out = tempfile.TemporaryFile("w+")
        pid = os.fork()
        if pid == 0:
            load = unittest.defaultTestLoader.loadTestsFromTestCase
            result = unittest.TextTestRunner(out, verbosity=2).run(unittest.TestSuite(map(load, cases)))
            out.flush()
            os._exit(0 if result.wasSuccessful() else 1)
        running.append((pid, out))
    bad = 0
    for pid, out in running:
        bad |= os.waitpid(pid, 0)[1]
        out.seek(0)
        print(out.read(), flush=True)
        out.close()
    stop_cluster()
    sys.exit(1 if bad else 0)
