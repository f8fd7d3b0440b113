# SPDX-License-Identifier: Apache-2.0
"""The console and Swagger UI in headless Chromium, on the four running programs: what people do there, with the
mouse, with keys only, on a phone, in the dark, and while a store or a core is down. Pictures: build/screenshots."""

import json
import os
import shutil
import subprocess
import sys
import threading
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import mqtt  # noqa: E402
from cluster import API_KEY, HOST, TOP, Cluster, await_true  # noqa: E402
from runner import SCREENSHOTS, Runner  # noqa: E402

IN_BASE64 = "The payload is written in base64 (for bytes that are no text)"
PAGES = [("clients", "Clients"), ("sessions", "Sessions"), ("topics", "Topics"), ("users", "Users"),
         ("roles", "Roles"), ("bans", "Bans"), ("keys", "API keys"), ("tester", "Tester"), ("trace", "Trace"),
         ("cluster", "Cluster"), ("audit", "Audit"), ("account", "My account"), ("", "Overview")]  # by then its lines have some length


class Console(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        subprocess.run([os.path.join(TOP, "services", "web.sh")], check=True)
        cls.cluster = Cluster(gateways=2, anonymous=False, per={"rest": {
            "SLUICE_WEB_DIR": os.path.join(TOP, "build", "web"), "SLUICE_RATE_SIGN_IN": "0"}}).start()
        cls.addClassCleanup(cls.cluster.abandon)
        cls.cluster.add_user("boss", "boss-1", ("ADMIN",))
        cls.cluster.add_user("watch", "watch-1", ("READER",))
        cls.cluster.add_user("ann", "ann-1", ("USER",))
        os.makedirs(SCREENSHOTS, exist_ok=True)
        cls.base = f"http://{HOST}:{cls.cluster['rest'].env['SLUICE_PORT']}/"
        cls.browser = Runner("console.js", shutil.which("chromium") or "chromium", cls.base, SCREENSHOTS)
        cls.addClassCleanup(cls.browser.end)

    @classmethod
    def tearDownClass(cls):
        cls.cluster.stop()

    def tearDown(self):
        """No page may break its Content-Security-Policy, throw, or ask another host for anything."""
        self.assertEqual(self.do("complaints"), {"complaints": [], "strangers": []})

    def do(self, step, **options):
        self.browser.begin(step=step, **options)
        answer = json.loads(self.browser.answer(120))
        self.assertNotIn("failed", answer)
        return answer["ok"]

    def enter(self, name="boss", password="boss-1", title="Overview", **window):
        self.do("open", **window)
        self.do("signIn", name=name, password=password)
        self.do("heading", title=title)

    def mosquitto_pub(self, user, password, topic, message):
        """What mosquitto_pub says."""
        done = subprocess.run(["mosquitto_pub", "-h", HOST, "-p", str(self.cluster.port()), "-V", "mqttv5", "-q", "1", "-i", f"{user}-pub",
                               "-u", user, "-P", password, "-t", topic, "-m", message],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20, check=False)
        return done.stdout

    # ---- signing in

    def test_a_wrong_password_is_said_and_a_right_one_lasts_over_a_reload(self):
        self.do("open")
        self.do("signIn", name="boss", password="wrong")
        self.assertIn("Sign in again", self.do("alert"))
        self.do("signIn", name="boss", password="boss-1")
        self.do("heading", title="Overview")
        cookie, = self.do("cookies")
        self.assertEqual((cookie["httpOnly"], cookie["sameSite"]), (True, "Strict"))
        self.do("reload")
        self.do("heading", title="Overview")
        kept = {"X-API-Key": None, "Cookie": f"{cookie['name']}={cookie['value']}"}
        self.assertEqual(self.cluster.rest("GET", "/api/v1/users", headers=kept)[0], 200)
        self.do("signOut")
        self.assertEqual(self.cluster.rest("GET", "/api/v1/users", headers=kept)[0], 401)
        self.do("reload")
        self.do("heading", title="Sign in")

    def test_a_key_signs_in_until_the_page_is_left(self):
        self.do("open")
        self.do("signInWithKey", key=API_KEY)
        self.do("heading", title="Overview")
        self.assertNotIn("My account", self.do("links"))
        self.do("reload")
        self.do("heading", title="Sign in")

    def test_readers_change_nothing_and_users_see_themselves(self):
        self.enter("watch", "watch-1")
        self.assertNotIn("Audit", self.do("links"))
        self.do("go", hash="users", title="Users")
        self.assertEqual(self.do("buttons"), ["Show"])
        self.do("signOut")
        self.do("signIn", name="ann", password="ann-1")
        self.do("heading", title="Tester")
        self.assertEqual(self.do("links"), ["Tester", "My account", "API ↗"])
        self.do("go", hash="account", title="My account")
        self.do("fill", label="Present password", value="wrong")
        self.do("fill", label="New password", value="ann-2")
        self.do("click", name="Change")
        self.do("alert")
        self.do("fill", label="Present password", value="ann-1")
        self.do("click", name="Change")
        self.do("heading", title="Sign in")
        self.do("signIn", name="ann", password="ann-2")
        self.do("heading", title="My account")

    # ---- what operators do

    def test_a_new_user_is_allowed_and_refused_as_its_rules_say_and_the_trace_says_why(self):
        self.enter()
        self.do("addUser", name="sensor", password="sensor-1", rules=[["allow", "publish", "sensors/%u/#"], ["deny", "all", "#"]])
        with mqtt.Client(self.cluster.port()) as asleep:
            asleep.connect("asleep", user="boss", password="boss-1", clean=False, props={"session_expiry": 1000})
            asleep.subscribe(("sensors/+/t", 1))
            asleep.send(mqtt.disconnect())
        await_true("it sleeps", lambda: '"disconnected"' in self.cluster.rest("GET", "/api/v1/sessions/asleep")[1])
        self.do("trace", topic="sensors/#")
        self.assertNotIn("ot authorized", self.mosquitto_pub("sensor", "sensor-1", "sensors/sensor/t", "21.5"))
        self.do("seeRow", texts=["sensor-pub", "accepted", "sensors/sensor/t"])
        self.do("seeRow", texts=["store", "asleep", "queued", "sensors/sensor/t", "the client is not connected"])
        self.assertIn("ot authorized", self.mosquitto_pub("sensor", "sensor-1", "sensors/other/t", "21.5"))
        self.do("seeRow", texts=["sensor-pub", "denied", "sensors/other/t", "no rule allows"])
        with mqtt.Client(self.cluster.port()) as small:
            small.connect("small", user="boss", password="boss-1", props={"maximum_packet_size": 100})
            small.subscribe(("sensors/#", 1))
            self.mosquitto_pub("sensor", "sensor-1", "sensors/sensor/big", "x" * 500)
            self.do("seeRow", texts=["small", "dropped", "sensors/sensor/big", "packet_too_large"])
        self.do("picture", name="trace")
        self.cluster.rest("DELETE", "/api/v1/sessions/asleep")
        self.do("go", hash="users/sensor", title="Users")
        self.do("fill", label="Rules, one a line; the most specific decides", value="allow publish nonsense/#/x")
        self.do("click", name="Save")
        alert = self.do("alert")
        self.assertIn("rule 1, column 15", alert)
        self.assertIn("Correct what is named", alert)
        self.do("picture", name="user-refused")

    def test_somebody_else_was_faster(self):
        self.cluster.add_user("both", "both-1")
        self.enter()
        self.do("go", hash="users/both", title="Users")
        self.do("see", text="Roles and rules")
        self.assertEqual(self.cluster.rest("PUT", "/api/v1/users/both", '{"roles":["x"]}')[0], 200)
        self.do("click", name="Save")
        self.assertIn("Somebody changed it meanwhile", self.do("alert"))

    def test_a_client_is_disconnected_and_banned(self):
        self.enter()
        with mqtt.Client(self.cluster.port(1)) as victim:
            victim.connect("victim", user="boss", password="boss-1")
            self.do("go", hash="clients?search=vic", title="Clients")
            self.do("seeRow", texts=["victim", "boss", "gateway1"])
            self.do("clickInRow", text="victim", name="Disconnect victim")
            self.do("submitDialog", name="Disconnect")
            self.assertEqual(victim.expect(mqtt.DISCONNECT).reason, 0x98)
            self.do("seeNoRow", text="gateway1")
        self.do("go", hash="bans?kind=client&subject=victim", title="Bans")
        self.do("fill", label="Reason", value="too loud")
        self.do("submitDialog", name="Ban")
        self.do("seeRow", texts=["victim", "too loud", "boss"])
        with mqtt.Client(self.cluster.port(1)) as victim:
            victim.connect("victim", reason=0x8A, user="boss", password="boss-1")
        self.do("clickInRow", text="victim", name="Lift the ban of client:victim")
        self.do("seeNoRow", text="too loud")
        self.do("go", hash="audit", title="Audit")
        self.do("seeRow", texts=["boss", "ban.delete", "client:victim"])
        self.do("seeRow", texts=["configured key", "user.put", "watch", "password; roles READER"])

    def test_the_tester_publishes_and_subscribes_with_every_qos(self):
        self.cluster.rest("PUT", "/api/v1/users/tester", json.dumps(
            {"password": "tester-1", "rules": ["deny publish no/#", "allow all #"]}))
        self.enter()
        url = f"ws://{HOST}:{self.cluster.port(0, 'ws')}/mqtt"
        self.assertEqual(self.do("testerConnect", url=url, user="tester", password="wrong"), url)
        self.assertIn("wrong user or password", self.do("alert"))
        self.do("testerConnect", url=url, user="tester", password="tester-1")
        self.do("see", text="connected as console-")
        self.do("testerSubscribe", filter="test/#", qos=2)
        self.do("see", text="SUBACK QoS 2")
        for qos in (0, 1, 2):
            self.do("testerPublish", topic=f"test/{qos}", payload=f"größe {qos} ☃", qos=qos)
            self.do("seeRow", texts=[f"test/{qos}", f"größe {qos} ☃"])
        self.do("testerPublish", topic="test/long", payload="x" * 70000 + "end", qos=1)
        self.do("seeRow", texts=["test/long", "xxxend"])
        self.do("testerPublish", topic="test/short", payload="short", qos=1)
        self.do("testerPublish", topic="no/thing", payload="x", qos=1)
        self.assertIn("not authorized", self.do("alert"))
        with mqtt.Client(self.cluster.port(1)) as other:
            other.connect("other", user="tester", password="tester-1")
            other.publish("test/other", b"from the other gateway", 1)
        self.do("seeRow", texts=["test/other", "from the other gateway"])
        self.do("click", name="Unsubscribe from test/#")
        self.do("see", text="UNSUBACK")

    def test_what_is_retained_is_found_changed_and_deleted(self):
        with mqtt.Client(self.cluster.port()) as client:
            client.connect("keeper", user="boss", password="boss-1")
            client.publish("house/kitchen/t", b"<img src=x onerror=alert(1)>", 1, retain=True)
            client.subscribe(("house/#", 1))
            self.enter()
            self.do("go", hash="topics?filter=house/%23", title="Topics")
            self.do("seeRow", texts=["house/kitchen/t", "<img src=x"])
            self.do("fill", label="Topic", value="house/kitchen/t")
            self.do("press", key="Enter")
            self.do("seeRow", texts=["keeper", "house/#"])
            self.do("click", name="house/kitchen/t")
            self.do("click", name="Delete …")
            self.do("submitDialog", name="Delete")
            self.do("see", text="Nothing is retained there")

    def test_bytes_that_are_no_text_are_retained_changed_and_deleted(self):
        topic = "odd/é ☃/50%/?x=1&y"
        self.enter()
        with mqtt.Client(self.cluster.port()) as client, mqtt.Client(self.cluster.port()) as speaker:
            client.connect("reader-of-bytes", user="boss", password="boss-1")
            speaker.connect("speaker", user="boss", password="boss-1")
            client.subscribe(("odd/#", 1))
            self.do("go", hash="topics?filter=odd/%23", title="Topics")
            self.do("click", name="Retain a message …")
            self.fill_topic(topic)
            self.do("fill", label="Payload", value="/wD+")
            self.do("check", label=IN_BASE64)
            self.do("submitDialog", name="Publish")
            self.assertEqual(client.receive().payload, b"\xff\x00\xfe")
            self.do("seeRow", texts=[topic, "base64: /wD+", "3 B"])
            self.do("click", name=topic)
            self.do("click", name="Change …")
            self.assertEqual((self.do("value", label="Payload"), self.do("checked", label=IN_BASE64)), ("/wD+", True))
            self.do("fill", label="Payload", value="not base64!")
            self.do("click", name="Publish")
            self.assertIn("Correct what is named", self.do("alert"))
            self.do("fill", label="Payload", value="gIA=")
            self.do("fill", label="Expires after seconds", value="5000")
            self.do("submitDialog", name="Publish")
            self.assertEqual(client.receive().payload, b"\x80\x80")
            self.do("seeRow", texts=[topic, "base64: gIA=", "2 B", "20"])
            speaker.publish("odd/typed", b"1", 1, retain=True, props={"content_type": "x/y", "user_property": ("a", "b")})
            client.receive()
            self.do("reload")
            self.do("click", name="odd/typed")
            self.do("click", name="Change …")
            self.do("fill", label="Payload", value="2")
            self.do("submitDialog", name="Publish")
            again = client.receive()  # what came with it stays
            self.assertEqual((again.payload, again.props["content_type"], again.props["user_property"]), (b"2", "x/y", ("a", "b")))
            for name in (topic, "odd/typed"):
                self.do("click", name=name)
                self.do("click", name="Delete …")
                self.do("submitDialog", name="Delete")
                self.do("seeNoRow", text=name)
            self.do("see", text="Nothing is retained there")

    def fill_topic(self, topic):
        """The page has a field of this name too: the dialog's is the last."""
        self.do("fillInDialog", label="Topic", value=topic)

    def test_who_gets_a_message_is_told_with_those_asleep_and_groups(self):
        with mqtt.Client(self.cluster.port()) as awake, mqtt.Client(self.cluster.port(1)) as sleeper:
            awake.connect("awake", user="boss", password="boss-1")
            awake.subscribe(("who/+/t", 0), ("$share/team/who/#", 1))
            sleeper.connect("sleeper", user="boss", password="boss-1", clean=False, props={"session_expiry": 1000})
            sleeper.subscribe(("who/a/#", 2))
            sleeper.send(mqtt.disconnect())
            self.enter()
            self.do("go", hash="topics", title="Topics")
            self.do("fill", label="Topic", value="who/a/t")
            self.do("press", key="Enter")
            self.do("seeRow", texts=["awake", "connected", "who/+/t", "gateway0"])
            self.do("seeRow", texts=["$share/team/who/#", "gateway0", "1"])
            self.do("see", text="And one member of each group")
            self.do("seeRow", texts=["sleeper", "asleep", "who/a/#", "store"])
            self.do("picture", name="who-gets-it")
            self.do("fill", label="Topic", value="who/nobody")
            self.do("press", key="Enter")
            self.do("see", text="None but groups")
            self.do("fill", label="Topic", value="other")
            self.do("press", key="Enter")
            self.do("see", text="Nobody: a message on this topic is dropped")
        self.cluster.rest("DELETE", "/api/v1/sessions/sleeper")

    def test_many_clients_are_disconnected_at_a_pace(self):
        clients = [mqtt.Client(self.cluster.port(i % 2)) for i in range(6)]
        try:
            for i, client in enumerate(clients):
                client.connect(f"many-{i}" if i < 5 else "bystander", user="boss", password="boss-1")
            self.enter()
            self.do("go", hash="clients", title="Clients")
            self.do("click", name="Disconnect many …")
            self.do("submit", name="Disconnect")
            self.assertIn("Correct what is named", self.do("alert"))  # nobody was chosen
            self.do("fillInDialog", label="Client id begins with", value="many-")
            self.do("fillInDialog", label="Per second, of each gateway", value="1000")
            self.do("picture", name="disconnect-many")
            self.do("submitDialog", name="Disconnect")
            for client in clients[:5]:
                self.assertEqual(client.expect(mqtt.DISCONNECT).reason, 0x98)
            self.do("fill", label="Client id begins with", value="many-")
            self.do("click", name="Show")
            self.do("see", text="No client is connected that fits")
            clients[5].subscribe(("still/here", 1))
        finally:
            for client in clients:
                client.close()
        self.do("go", hash="audit", title="Audit")
        self.do("seeRow", texts=["boss", "client.disconnect_many", "many-"])

    def test_a_session_is_looked_at_and_deleted_with_what_waits_in_it(self):
        with mqtt.Client(self.cluster.port()) as sleeper:
            sleeper.connect("sleepy/1", user="boss", password="boss-1", clean=False, props={"session_expiry": 1000})
            sleeper.subscribe(("sleep/#", 1))
            sleeper.send(mqtt.disconnect())
        with mqtt.Client(self.cluster.port()) as speaker:
            speaker.connect("speaker", user="boss", password="boss-1")
            for i in range(3):
                speaker.publish("sleep/t", b"x" * 1000, 1)
        self.enter()
        self.do("go", hash="sessions?search=sleepy&state=disconnected", title="Sessions")
        self.do("seeRow", texts=["sleepy/1", "disconnected", "17 min", "KiB"])
        self.do("clickLink", name="sleepy/1")
        self.do("see", text="3 (")
        self.do("seeRow", texts=["sleep/#", "kept by the store", "store"])
        self.do("picture", name="session")
        self.do("click", name="Delete …")
        self.do("submitDialog", name="Delete")
        self.do("heading", title="Sessions")
        self.do("seeNoRow", text="sleepy/1")
        with mqtt.Client(self.cluster.port()) as sleeper:
            self.assertFalse(sleeper.connect("sleepy/1", user="boss", password="boss-1").session_present)

    def test_a_key_is_shown_once_changed_renewed_and_ended(self):
        ask = lambda secret: self.cluster.rest("GET", "/api/v1/audit", headers={"X-API-Key": secret})[0]  # noqa: E731
        self.enter()
        self.do("go", hash="keys", title="API keys")
        self.do("click", name="Add a key …")
        self.do("fill", label="Name", value="deploy key/1")
        self.do("fill", label="Ends after days", value="30")
        self.do("fill", label="Note", value="for <b>CI</b>")
        self.do("click", name="Add")
        secret = self.do("value", label="Key")
        self.do("picture", name="key-made")
        self.assertEqual(len(secret), 43)
        self.assertEqual(ask(secret), 403)  # READER
        self.do("submitDialog", name="I have copied it")
        self.do("seeRow", texts=["deploy key/1", "READER", "for <b>CI</b>", "20"])
        self.assertNotIn(secret, self.do("text"))
        self.do("click", name="Edit deploy key/1")
        self.assertEqual(self.do("value", label="Ends after days"), "30")  # what is not changed stays
        self.do("select", label="Role", value="ADMIN")
        self.do("submitDialog", name="Save")
        self.do("seeRow", texts=["deploy key/1", "ADMIN", "for <b>CI</b>", "20"])
        self.assertEqual(ask(secret), 200)
        self.do("click", name="Edit deploy key/1")
        self.do("check", label="New secret; the former one ends")
        self.do("click", name="Save")
        renewed = self.do("value", label="Key")
        self.do("submitDialog", name="I have copied it")
        self.assertEqual((ask(secret), ask(renewed)), (401, 200))
        self.do("click", name="Delete deploy key/1")
        self.do("submitDialog", name="Delete")
        self.do("see", text="No named key")
        self.assertEqual(ask(renewed), 401)

    def test_the_audit_is_saved_as_a_file(self):
        self.cluster.rest("PUT", "/api/v1/roles/audited", json.dumps({"rules": ["allow publish a/#"]}))
        self.cluster.rest("DELETE", "/api/v1/roles/audited")
        self.enter()
        self.do("go", hash="audit", title="Audit")
        self.do("seeRow", texts=["configured key", "role.put", "audited", "1 rules"])
        file = self.do("download", name="Export as JSON lines")
        entries = [json.loads(line) for line in file["text"].splitlines()]
        self.assertEqual(file["name"], "sluice-audit.jsonl")
        self.assertEqual([e["number"] for e in entries], list(range(1, len(entries) + 1)))
        self.assertIn(("role.delete", "audited"), [(e["what"], e["subject"]) for e in entries])

    # ---- programs

    def test_how_much_a_program_logs_is_changed(self):
        self.enter()
        for service, name in (("store", "store"), ("gateway", "gateway1"), ("core", "core0"), ("rest", "rest")):
            self.do("go", hash=f"cluster/{service}/{name}", title="Cluster")
            self.do("click", name="Log level: info …")
            self.do("select", label="Level", value="debug")
            self.do("submitDialog", name="Save")
            self.do("seeButton", name="Log level: debug …")
            self.assertIn('"debug"', self.cluster.rest("GET", f"/api/v1/programs/{service}/{name}/log-level")[1])
            self.cluster.rest("PUT", f"/api/v1/programs/{service}/{name}/log-level", '{"level":"info"}')
        self.do("picture", name="program")
        self.do("seeRow", texts=["core", "serving"])  # whom rest speaks to

    def test_a_gateway_is_emptied_and_takes_clients_again(self):
        gateway = self.cluster["gateway1"]
        with mqtt.Client(self.cluster.port(1)) as client:
            client.connect("there", user="boss", password="boss-1")
            self.enter()
            self.do("go", hash="cluster", title="Cluster")
            self.do("clickLink", name="gateway1")
            self.do("click", name="Empty this gateway …")
            self.do("fill", label="Clients per second", value="100")
            self.do("submitDialog", name="Empty it")
            self.assertEqual(client.expect(mqtt.DISCONNECT).reason, 0x8B)
            self.do("see", text="draining")
            self.do("picture", name="draining")
            self.assertFalse(gateway.is_ready())
            self.do("click", name="Take clients again …")
            self.do("submitDialog", name="Take clients")
            self.do("seeButton", name="Empty this gateway …")
        await_true("it takes clients", gateway.is_ready)
        with mqtt.Client(self.cluster.port(1)) as client:
            client.connect("there", user="boss", password="boss-1")

    # ---- without a mouse, on a phone, in the dark

    def test_signing_in_and_adding_a_role_with_keys_only(self):
        self.do("open")
        for name, text in (("User", "boss"), ("Password", "boss-1")):
            self.do("keys", role="textbox", name=name, type=text)
        self.do("keys", role="button", name="Sign in", press="Enter")
        self.do("heading", title="Overview")
        self.do("keys", role="link", name="Roles", press="Enter")
        self.do("heading", title="Roles")
        self.do("keys", role="button", name="Add a role …", press="Enter")
        self.do("press", key="Escape")
        self.assertEqual(self.do("focused"), "Add a role …")
        self.do("press", key="Enter")
        self.do("keys", role="textbox", name="Name", type="by-keys")
        self.do("keys", role="textbox", name="Topic filter", type="keys/%u/#", press="Enter")
        self.do("keys", role="button", name="Add", press="Enter")
        self.do("seeRow", texts=["by-keys", "allow publish keys/%u/#"])
        self.do("reload")
        self.do("heading", title="Roles")
        self.do("press", key="Tab")
        self.assertEqual(self.do("focused"), "Skip to the content")
        self.do("press", key="Enter")
        self.do("keys", role="button", name="Add a role …", most=1)

    def traffic(self, client, over):
        """Messages that arrive, and some that are too large for their reader."""
        while not over.wait(0.05):
            for i in range(20):
                client.publish("some/where", b"x" * (500 if i == 0 else 10))

    def look(self, name, **window):
        over = threading.Event()
        with mqtt.Client(self.cluster.port()) as client, mqtt.Client(self.cluster.port()) as speaker, \
                mqtt.Client(self.cluster.port()) as small:
            client.connect("a-client-with-a-rather-long-name-" + "0123456789" * 8, user="boss", password="boss-1")
            client.subscribe(("some/where/#", 1))
            client.publish("a/retained/topic-" + "x" * 120, b"p" * 300, 1, retain=True)
            small.connect("small", user="boss", password="boss-1", props={"maximum_packet_size": 100})
            small.subscribe(("some/#", 0), ("$share/group/jobs", 1))
            speaker.connect("speaker", user="boss", password="boss-1")
            thread = threading.Thread(target=self.traffic, args=(speaker, over))
            self.enter(**window)
            thread.start()
            try:
                for hash, title in PAGES:
                    self.assertFalse(self.do("picture", name=f"{name}-{hash or 'overview'}", hash=hash, title=title,
                                             points=4 if hash == "" else 0), f"{title} sticks out")
            finally:
                over.set()
                thread.join()

    def test_pictures_of_every_page(self):
        self.look("light")

    def test_pictures_on_a_phone_in_the_dark(self):
        self.look("phone-dark", scheme="dark", width=390, height=844)
        self.do("click", name="Menu")
        self.do("picture", name="phone-dark-menu")
        for hash, title, opens in (("users", "Users", "Add a user …"), ("keys", "API keys", "Add a key …"), ("bans", "Bans", "Ban …"),
                                   ("clients", "Clients", "Disconnect many …"), ("topics", "Topics", "Retain a message …")):
            self.do("go", hash=hash, title=title)
            self.do("click", name=opens)
            self.assertFalse(self.do("picture", name=f"phone-dark-{hash}-dialog"), f"{title}: the dialog sticks out")
            self.do("press", key="Escape")

    # ---- programs that are away

    def kill(self, name):
        program = self.cluster[name]
        self.addCleanup(lambda: program.process.poll() is None or program.restart().await_ready())
        program.kill()
        return program

    def test_while_the_store_is_away_a_banner_says_so_and_the_page_recovers(self):
        self.enter()
        store = self.kill("store")
        self.do("bannerSays", text="No answer from the store|cannot be reached|is gone|came in time")
        self.do("go", hash="users", title="Users")
        self.do("see", text="Loading")
        self.do("bannerSays", text="The store that knows users and keys cannot be reached now")
        self.do("picture", name="store-away")
        for path in ("/api/v1/users", "/api/v1/sessions", "/api/v1/retained"):
            status, text, headers = self.cluster.rest("GET", path)
            self.assertEqual((status, headers["Content-Type"]), (503, "application/problem+json"), text)
            self.assertGreaterEqual(int(headers["Retry-After"]), 1)
        store.restart().await_ready()
        self.do("seeRow", texts=["boss", "ADMIN"])
        self.do("noBanner")

    def test_while_the_core_is_away_a_banner_says_so(self):
        self.enter()
        core = self.kill("core0")
        self.do("bannerSays", text="No answer from .*core")
        self.do("go", hash="cluster", title="Cluster")
        self.do("seeRow", texts=["core", "no answer"])
        self.do("picture", name="core-away")
        status, text, headers = self.cluster.rest("GET", "/api/v1/clients")
        self.assertEqual((status, headers["Content-Type"]), (503, "application/problem+json"), text)
        self.assertGreaterEqual(int(headers["Retry-After"]), 1)
        core.restart().await_ready()
        self.do("noBanner")
        await_true("gateways serve again", lambda: all(self.cluster[f"gateway{i}"].is_ready() for i in range(2)))

    def test_while_rest_itself_is_away_the_page_waits(self):
        self.enter()
        rest = self.kill("rest")
        self.do("bannerSays", text="does not answer")
        rest.restart().await_ready()
        self.do("noBanner")
        self.do("go", hash="users", title="Users")
        self.do("seeRow", texts=["boss", "ADMIN"])

    # ---- Swagger UI

    def test_swagger_ui_tries_an_operation_out(self):
        self.do("open")
        answer = self.do("swagger", key=API_KEY, path="/user/{user_name}/status", parameter="user_name", value="boss")
        self.assertIn("200", answer)
        self.assertIn('"status": "off"', answer)


if __name__ == "__main__":
    unittest.main(verbosity=2)
