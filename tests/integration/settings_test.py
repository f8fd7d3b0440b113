# SPDX-License-Identifier: Apache-2.0
"""Settings of every program: where they are read from, how mistakes are said, and
that docs/settings.md is what --help says. Also TLS between the programs by settings."""

import os
import socket
import subprocess
import tempfile
import unittest

from base import mqtt
import metrics_doc
import settings_doc
from cluster import Cluster, FLAVOUR, HOST, TOP

SECRET = "a-secret-of-some-length"


def run(service, *args, **env):
    out = subprocess.run([os.path.join(TOP, "build", FLAVOUR, "sluice-" + service), *args], capture_output=True,
                         text=True, timeout=70,
                         env={**{k: v for k, v in os.environ.items() if not k.startswith("SLUICE_")}, **env})
    return out.returncode, out.stdout + out.stderr


class Settings(unittest.TestCase):
    def test_the_page_of_settings_is_what_help_says(self):
        with open(os.path.join(TOP, "docs", "settings.md")) as f:
            self.assertEqual(f.read(), settings_doc.document(),
                             "run: python3 tests/integration/settings_doc.py > docs/settings.md")

    def test_the_page_of_metrics_is_what_the_programs_say(self):
        with open(os.path.join(TOP, "docs", "metrics.md")) as f:
            self.assertEqual(f.read(), metrics_doc.document(),
                             "run: FLAVOUR=release python3 tests/integration/metrics_doc.py > docs/metrics.md")

    def test_all_mistakes_are_said_at_once_and_secrets_are_not(self):
        for service in ("gateway", "core", "store", "rest"):
            code, text = run(service, "--check", "--http-port", "seventy", "--log-level=loud", "--nonsense=1",
                             SLUICE_CLUSTER_SECRET="short-S3CR3T")
            self.assertEqual(code, 2, text)
            for word in ("http-port", "seventy", "log-level", "loud", "nonsense", "cluster-secret"):
                self.assertIn(word, text)
            self.assertNotIn("S3CR3T", text)

    def test_flag_beats_environment_beats_file_beats_default(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "sluice.conf")
            secret = os.path.join(directory, "secret")
            with open(path, "w") as f:
                f.write("# a comment\nhttp-port = wrong-in-file\n")
            with open(secret, "w") as f:
                f.write(SECRET + "\n")
            good = {"SLUICE_CLUSTER_SECRET_FILE": secret, "SLUICE_CONFIG": path}
            self.assertEqual(run("core", "--check", "--http-port=0", **good)[0], 0)
            self.assertEqual(run("core", "--check", SLUICE_HTTP_PORT="0", **good)[0], 0)
            code, text = run("core", "--check", "--http-port=0", SLUICE_HTTP_PORT="wrong-in-env", **good)
            self.assertEqual(code, 0, text)
            code, text = run("core", "--check", SLUICE_HTTP_PORT="wrong-in-env", **good)
            self.assertEqual(code, 2)
            self.assertIn("wrong-in-env", text)
            code, text = run("core", "--check", **good)
            self.assertIn("wrong-in-file", text)

    def test_probe_says_how_the_running_program_is(self):
        with Cluster() as c:
            for name, program in c.programs.items():
                service = name.rstrip("0123456789")
                port = str(program.http_port)
                code, text = run(service, "--probe", "/healthz", SLUICE_HTTP_PORT=port)
                self.assertEqual(code, 0, text)
                self.assertIn('"status":"ok"', text)
                self.assertEqual(run(service, "--probe", "/nothing", SLUICE_HTTP_PORT=port)[0], 1)
            c["core0"].kill()
            port = str(c["core0"].http_port)
            code, text = run("core", "--probe=/livez", SLUICE_HTTP_PORT=port)
            self.assertEqual(code, 1, text)
            self.assertEqual(run("core", "--probe", SLUICE_HTTP_PORT=port)[0], 2)
            c["core0"].restart().await_ready()

    def test_a_port_in_use_is_one_line_and_exit_2(self):
        with Cluster() as c:
            for service, name, port in (("gateway", "mqtt-port", c.port()), ("core", "http-port", c["core0"].http_port)):
                code, text = run(service, f"--{name}={port}", *([] if name == "http-port" else ["--http-port=0"]),
                                 "--call-listen=127.0.0.1:0" if service == "core" else "--feed-listen=127.0.0.1:0",
                                 *(["--feed-listen=127.0.0.1:0"] if service == "core" else []),
                                 SLUICE_CLUSTER_SECRET=SECRET)
                self.assertEqual(code, 2, text)
                self.assertIn(str(port), text)

    def test_the_store_refuses_a_directory_that_another_store_uses(self):
        with Cluster() as c:
            code, text = run("store", "--http-port=0", "--call-listen=127.0.0.1:0", "--feed-listen=127.0.0.1:0",
                             "--data-dir=" + c["store"].env["SLUICE_DATA_DIR"], SLUICE_CLUSTER_SECRET=SECRET)
            self.assertEqual(code, 2, text)
            self.assertIn("another store", text)

    def test_a_program_with_another_secret_is_refused_and_counted(self):
        with Cluster(env={}, per={}) as c:
            env = dict(c["gateway0"].env, SLUICE_CLUSTER_SECRET="quite-another-secret", SLUICE_MQTT_PORT="0", SLUICE_WS_PORT="0",
                       SLUICE_HTTP_PORT="0", SLUICE_FEED_LISTEN="127.0.0.1:0", SLUICE_INSTANCE="stranger")
            stranger = subprocess.Popen([os.path.join(TOP, "build", FLAVOUR, "sluice-gateway")], env=env,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            try:
                line = ""
                while "secret" not in line:
                    line = stranger.stdout.readline()
                    self.assertNotEqual(line, "", "the stranger ended without a word about the secret")
            finally:
                stranger.kill()
                stranger.communicate()
            self.assertEqual(c["core0"].health()["status"], "ok")
            with mqtt.Client(c.port()) as client:
                client.connect("still-fine")


class Addresses(unittest.TestCase):
    """IPv6 wherever one listens or dials; where the machine has none, the programs say what fails."""

    def test_mistakes_are_said_with_the_way_out(self):
        for service, name, value, said in (
                ("core", "call-listen", "::1:7201", "[::1]:7201"), ("core", "feed-listen", "[::1]", "not host:port"),
                ("store", "call-listen", "[::1:7301", "not host:port"), ("gateway", "feed-listen", "[core]:1", "not host:port"),
                ("gateway", "cores", "::1:7201", "[::1]:7201"), ("store", "advertise", "2001:db8::1", "[2001:db8::1]"),
                ("core", "advertise", "core:7202", "without its port"), ("core", "http-bind", "[::1]:9102", "another setting"),
                ("gateway", "mqtt-bind", "localhost", "not looked up"), ("rest", "bind", "[::1]:8080", "another setting")):
            code, text = run(service, "--check", f"--{name}={value}", SLUICE_CLUSTER_SECRET=SECRET, SLUICE_API_KEY="a-key-of-some-length")
            self.assertEqual(code, 2, text)
            self.assertIn(f"{name}: '{value}'", text)
            self.assertIn(said, text)

    def test_four_programs_over_ipv6(self):
        try:
            with socket.socket(socket.AF_INET6) as s:
                s.bind(("::1", 0))
        except OSError:
            code, text = run("core", "--http-bind=::1", "--call-listen=127.0.0.1:0", "--feed-listen=127.0.0.1:0",
                             SLUICE_CLUSTER_SECRET=SECRET)
            self.assertEqual(code, 2, text)
            self.assertIn("http", text)
            return
        c = Cluster()
        for program in c.programs.values():
            program.env = {k: v.replace(HOST + ":", "[::1]:") for k, v in program.env.items()}
            program.env["SLUICE_HTTP_BIND"], program.host = "[::1]", "[::1]"
        c["gateway0"].env["SLUICE_MQTT_BIND"] = "::1"
        c["rest"].env.update(SLUICE_BIND="::", SLUICE_RATE_SIGN_IN="1")
        with c:
            self.assertEqual(run("core", "--probe", "/readyz", "--http-bind=[::1]", f"--http-port={c['core0'].http_port}")[0], 0)
            with mqtt.Client(c.port(), host="::1") as client:
                client.connect("six", clean=False, props={"session_expiry": 100})
                client.subscribe(("six/#", 1))
                status, text, _ = c.rest("POST", "/api/v1/messages", '{"topic":"six/t","payload":"x","qos":1}')
                self.assertEqual(status, 200, text)
                self.assertEqual(client.receive().payload, b"x")
                self.assertIn('"address":"[::1]:', c.rest("GET", "/api/v1/clients/six")[1])
                c["rest"].host = HOST  # "::" takes IPv4 too
                self.assertIn('"address":"[::1]:', c.rest("GET", "/api/v1/clients/six")[1])
            # Limits per address count IPv4 and IPv6 by themselves.
            body = '{"name":"%s","password":"wrong"}'
            tries = [(host, c.rest("POST", "/api/v1/session", body % f"{host}-{i}")[0])
                     for host in ("[::1]", HOST) for i in range(2) if not setattr(c["rest"], "host", host)]
            self.assertEqual([status for _, status in tries], [401, 429] * 2)


class InnerTls(unittest.TestCase):
    def test_programs_speak_tls_with_certificates_by_settings_alone(self):
        with tempfile.TemporaryDirectory() as d:
            def openssl(*args):
                subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=d)
            openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=inner-ca",
                    "-keyout", "ca.key", "-out", "ca.pem")
            openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=sluice", "-keyout", "key.pem", "-out", "csr")
            openssl("x509", "-req", "-in", "csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                    "-out", "cert.pem")
            env = {"SLUICE_CLUSTER_" + n.upper(): os.path.join(d, n + ".pem") for n in ("ca", "cert", "key")}
            with Cluster(gateways=2, env=env) as c:
                with mqtt.Client(c.port(1)) as sub, mqtt.Client(c.port(0)) as pub:
                    sub.connect("sub", clean=False, props={"session_expiry": 100})
                    sub.subscribe(("t", 2))
                    pub.connect("pub")
                    for qos in (0, 1, 2):
                        pub.publish("t", f"{qos}", qos)
                    self.assertEqual(sorted(sub.receive().payload for _ in range(3)), [b"0", b"1", b"2"])
                c.add_user("over-tls", "pw")
            self.assertEqual(run("core", "--check", "--cluster-ca=/nonexistent", SLUICE_CLUSTER_SECRET=SECRET)[0], 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
