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
        self.do("signOut")
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
        self.do("trace", topic="sensors/#")
        self.assertNotIn("ot authorized", self.mosquitto_pub("sensor", "sensor-1", "sensors/sensor/t", "21.5"))
        self.do("seeRow", texts=["sensor-pub", "accepted", "sensors/sensor/t"])
        self.assertIn("ot authorized", self.mosquitto_pub("sensor", "sensor-1", "sensors/other/t", "21.5"))
        self.do("seeRow", texts=["sensor-pub", "denied", "sensors/other/t", "no rule allows"])
        with mqtt.Client(self.cluster.port()) as small:
            small.connect("small", user="boss", password="boss-1", props={"maximum_packet_size": 100})
            small.subscribe(("sensors/#", 1))
            self.mosquitto_pub("sensor", "sensor-1", "sensors/sensor/big", "x" * 500)
            self.do("seeRow", texts=["small", "dropped", "sensors/sensor/big", "packet_too_large"])
        self.do("picture", name="trace")
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
        self.do("picture", name="store-away")
        store.restart().await_ready()
        self.do("seeRow", texts=["boss", "ADMIN"])
        self.do("noBanner")

    def test_while_the_core_is_away_a_banner_says_so(self):
        self.enter()
        core = self.kill("core0")
        self.do("bannerSays", text="No answer from .*core")
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
