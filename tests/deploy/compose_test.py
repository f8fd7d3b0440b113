# SPDX-License-Identifier: Apache-2.0
"""docker-compose.yml as users run it, in a project of its own on free ports: the demo over every
transport, gateways scaled up and down under load, every container killed in turn. Needs docker."""

import asyncio
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path += [os.path.join(TOP, "tests", "lib"), os.path.join(TOP, "tests", "cluster")]
from cluster import await_true, free_ports, http  # noqa: E402
from oracle import Oracle  # noqa: E402

logging.getLogger("asyncio").setLevel(logging.ERROR)  # not a line for each write to a connection that just closed
GUEST = {"user": "guest", "password": "guest"}


class Stack:
    """with Stack("embedded") as stack: a running compose project."""

    def __init__(self, profile):
        self.project, self.profile = f"sluice-test-{profile}-{os.getpid()}", profile
        names = ("SLUICE_MQTT_PORT", "SLUICE_TLS_PORT", "SLUICE_WS_PORT", "SLUICE_WSS_PORT", "SLUICE_REST_PORT")
        self.ports = dict(zip(names, free_ports(5)))
        self.env = dict(os.environ, **{k: str(v) for k, v in self.ports.items()})

    def compose(self, *args, timeout=600):
        out = subprocess.run(["docker", "compose", "--project-name", self.project, "--profile", self.profile, *args], cwd=TOP,
                             env=self.env, capture_output=True, text=True, timeout=timeout)
        assert out.returncode == 0, f"docker compose {args}: {out.stdout[-2000:]}{out.stderr[-4000:]}\n{self.log()}"
        return out.stdout

    def log(self):
        return subprocess.run(["docker", "compose", "--project-name", self.project, "logs", "--no-color", "--tail", "30"], cwd=TOP,
                              env=self.env, capture_output=True, text=True).stdout[-12000:]

    def __enter__(self):
        try:
            self.up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        subprocess.run(["docker", "compose", "--project-name", self.project, "--profile", "*", "down", "-v", "-t", "2"], cwd=TOP,
                       env=self.env, capture_output=True)

    def up(self, *args):
        self.compose("up", "-d", "--build", "--quiet-pull", *args)
        await_true("an answer of rest through haproxy", lambda: self.rest_status() == 401, 120, 0.5)
        await_true("the example user", lambda: self.mosquitto("pub", "-t", "x", "-n").returncode == 0, 60, 0.5)

    def rest_status(self):
        try:
            return http(f"http://127.0.0.1:{self.ports['SLUICE_REST_PORT']}/rest/user/guest")[0]
        except OSError:
            return None

    def containers(self):
        """Names of what runs, without the jobs."""
        lines = self.compose("ps", "--format", "json").splitlines()
        rows = [row for line in lines for row in (json.loads(line) if line.startswith("[") else [json.loads(line)])]
        return sorted(row["Name"] for row in rows)

    def healthy(self, name):
        state = json.loads(subprocess.check_output(["docker", "inspect", "-f", "{{json .State}}", name]))
        return state["Running"] and state.get("Health", {"Status": "healthy"})["Status"] == "healthy"

    def kill(self, name):
        subprocess.run(["docker", "kill", name], check=True, capture_output=True)

    def start(self, name):
        subprocess.run(["docker", "start", name], check=True, capture_output=True)

    def secret(self, name):
        return self.compose("exec", "-T", "rest", "cat", f"/run/secrets/{name}").strip()

    def mosquitto(self, what, *args, transport="MQTT"):
        return subprocess.run([f"mosquitto_{what}", "-h", "localhost", "-p", str(self.ports[f"SLUICE_{transport}_PORT"]), "-V", "mqttv5",
                               "-u", "guest", "-P", "guest", *args], capture_output=True, text=True, timeout=30)

    def oracle(self, **options):
        return Oracle([self.ports["SLUICE_MQTT_PORT"]], credentials=GUEST, publishers=int(os.environ.get("ORACLE_PUBLISHERS", "500")), steady=False, clean_subscribers=0,
                      persistent_subscribers=6, **options)


async def until(oracle, more, timeout=90):
    goal, deadline = oracle.arrived + more, time.monotonic() + timeout
    while oracle.arrived < goal:
        assert time.monotonic() < deadline, f"seed {oracle.seed}: traffic stands still ({oracle.arrived} of {goal})"
        await asyncio.sleep(0.1)


async def in_thread(function, *args):
    return await asyncio.get_running_loop().run_in_executor(None, function, *args)


class ComposeCase:
    profile = None

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack(cls.profile)
        cls.stack.__enter__()
        cls.addClassCleanup(cls.stack.__exit__)

    def run_oracle(self, script):
        try:
            return asyncio.run(self.stack.oracle().run(script, settle=120))
        except BaseException:
            print(self.stack.log(), file=sys.stderr)
            raise

    def test_1_the_demo_over_tcp_and_tls(self):
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as ca:
            ca.write(self.stack.secret("ca.pem"))
            ca.flush()
            for transport, args in (("MQTT", ()), ("TLS", ("--cafile", ca.name))):
                topic = f"demo/{transport}"
                self.assertEqual(self.stack.mosquitto("pub", "-t", topic, "-m", "kept", "-r", "-q", "2", *args, transport=transport).returncode, 0)
                got = self.stack.mosquitto("sub", "-t", topic, "-C", "1", "-W", "10", *args, transport=transport)
                self.assertEqual(got.stdout, "kept\n", got.stderr)
        wrong = subprocess.run(["mosquitto_pub", "-p", str(self.stack.ports["SLUICE_MQTT_PORT"]), "-u", "guest", "-P", "wrong", "-t", "x",
                                "-n", "-V", "mqttv5"], capture_output=True, text=True)
        self.assertNotEqual(wrong.returncode, 0)

    def test_2_rest_with_the_generated_key(self):
        url = f"http://127.0.0.1:{self.stack.ports['SLUICE_REST_PORT']}/rest/user/guest"
        key = self.stack.secret("api-key")
        self.assertEqual(http(url, headers={"X-API-Key": key})[0], 200)
        self.assertEqual(http(url, headers={"X-API-Key": key[:-1] + "!"})[0], 401)

    def test_2_each_service_sees_its_own_secrets_only(self):
        for service, names in (("gateway", {"cluster-secret", "ca.pem", "server.key", "server.pem"}), ("core0", {"cluster-secret"}),
                               ("rest", {"cluster-secret", "api-key", "ca.pem"})):
            self.assertEqual(set(self.stack.compose("exec", "-T", service, "ls", "-A", "/run/secrets").split()), names, service)

    def test_3_gateways_scale_up_and_down_under_load(self):
        def gateways():
            return [n for n in self.stack.containers() if "-gateway-" in n]

        async def script(oracle):
            await until(oracle, 2000)
            for count in (5, 2):
                await in_thread(lambda: self.stack.compose("up", "-d", "--no-recreate", "--scale", f"gateway={count}"))
                await in_thread(await_true, f"{count} gateways", lambda: len(gateways()) == count)
                oracle.reconnect_all()
                await until(oracle, 4000)
        acked = self.run_oracle(script)
        print(f"{self.profile}: scaled under load, {acked} acknowledged, none lost")

    def test_4_every_container_is_killed_in_turn(self):
        async def script(oracle):
            for name in self.stack.containers():
                await until(oracle, 1000)
                print("kill", name, flush=True)
                await in_thread(self.stack.kill, name)
                await asyncio.sleep(1)  # part of the scene: it is absent for a while
                await in_thread(self.stack.start, name)
                await in_thread(await_true, f"{name} healthy", lambda n=name: self.stack.healthy(n), 120, 0.5)
            await until(oracle, 2000)
        self.run_oracle(script)

    def test_5_what_was_kept_survives_down_and_up(self):
        self.stack.mosquitto("pub", "-t", "lasting", "-m", "still here", "-r", "-q", "1")
        self.stack.compose("down", "-t", "10")
        self.stack.up()
        self.assertEqual(self.stack.mosquitto("sub", "-t", "lasting", "-C", "1", "-W", "10").stdout, "still here\n")

    def test_6_the_programs_have_no_rights(self):
        for name in self.stack.containers():
            if any(part in name for part in ("haproxy", "mariadb", "redis")):
                continue
            info = json.loads(subprocess.check_output(["docker", "inspect", name]))[0]
            self.assertTrue(info["HostConfig"]["ReadonlyRootfs"], name)
            self.assertEqual(info["HostConfig"]["CapDrop"], ["ALL"], name)
            self.assertEqual(info["Config"]["User"], "10001:10001", name)

    def test_7_the_other_profile_is_refused_while_this_one_runs(self):
        """Two stores under one name would part the sessions among them."""
        other = "databases" if self.profile == "embedded" else "embedded"
        out = subprocess.run(["docker", "compose", "--project-name", self.stack.project, "--profile", other, "up", "-d"],
                             cwd=TOP, env=self.stack.env, capture_output=True, text=True, timeout=300)
        self.assertNotEqual(out.returncode, 0)
        self.assertIn("already in use", out.stderr)


class Embedded(ComposeCase, unittest.TestCase):
    profile = "embedded"


class Databases(ComposeCase, unittest.TestCase):
    profile = "databases"


class Images(unittest.TestCase):
    def test_images_are_small_labelled_and_have_no_compiler(self):
        base = int(subprocess.check_output(["docker", "image", "inspect", "-f", "{{.Size}}", "debian:bookworm-slim"]))
        with open(os.path.join(TOP, "VERSION")) as f:
            version = f.read().strip()
        for name in ("broker", "store", "rest"):
            image = f"sluice-{name}-under-test"
            subprocess.run(["docker", "build", "-q", "-f", f"Dockerfile.{name}", "-t", image, "."], cwd=TOP, check=True, capture_output=True)
            info = json.loads(subprocess.check_output(["docker", "image", "inspect", image]))[0]
            print(f"sluice-{name}: {(info['Size'] - base) / 1e6:.1f} MB over the base")
            self.assertLess(info["Size"] - base, 120e6)
            self.assertEqual(info["Config"]["User"], "10001:10001")
            self.assertIn("Healthcheck", info["Config"])
            self.assertEqual(info["Config"]["Labels"]["org.opencontainers.image.version"], version)
            found = subprocess.run(["docker", "run", "--rm", "--entrypoint", "/bin/sh", image, "-c", "command -v cc gcc make clang"],
                                   capture_output=True, text=True)
            self.assertEqual(found.stdout, "")

    def test_a_fresh_clone_has_all_that_the_pages_are_made_of(self):
        """Without build/, from which the image takes Swagger UI if it is there."""
        for made in (False, True):
            with self.subTest(made=made), tempfile.TemporaryDirectory() as clone:
                for name in ("Dockerfile.rest", ".dockerignore", "VERSION"):
                    shutil.copy(os.path.join(TOP, name), clone)
                if made:
                    os.makedirs(os.path.join(clone, "build", "web", "swagger-ui"))
                    shutil.copy(os.path.join(TOP, "VERSION"), os.path.join(clone, "build", "web", "swagger-ui", "version"))
                out = os.path.join(clone, "out")
                subprocess.run(["docker", "build", "-q", "-f", "Dockerfile.rest", "--target", "made", "-o", out, "."], cwd=clone,
                               check=True, capture_output=True)
                self.assertEqual(os.path.exists(os.path.join(out, "web", "swagger-ui", "version")), made)

    def test_programs_start_without_rights_and_end_on_sigterm(self):
        for name, program in (("broker", "sluice-gateway"), ("broker", "sluice-core"), ("store", "sluice-store"), ("rest", "sluice-rest")):
            run = ["docker", "run", "-d", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "-e",
                   "SLUICE_CLUSTER_SECRET=only-for-this-test-0123456789", "-e", "SLUICE_API_KEY=only-for-this-test"]
            container = subprocess.check_output([*run, f"sluice-{name}-under-test", program], text=True).strip()
            try:
                await_true(f"{program} lives", lambda: subprocess.run(["docker", "exec", container, program, "--probe", "/livez"],
                                                                      capture_output=True).returncode == 0)
                begin = time.monotonic()
                subprocess.run(["docker", "stop", "-t", "20", container], check=True, capture_output=True)
                state = json.loads(subprocess.check_output(["docker", "inspect", "-f", "{{json .State}}", container]))
                self.assertEqual((program, state["ExitCode"]), (program, 0))
                print(f"{program}: ended {time.monotonic() - begin:.1f} s after SIGTERM")
            finally:
                subprocess.run(["docker", "rm", "-f", container], capture_output=True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
