# SPDX-License-Identifier: Apache-2.0
"""k8s/ on a real cluster, the one of KUBECONFIG, whose nodes have the images (docker compose
build): `kubectl apply -k`, the demo through the Service's node port, `helm install`, scaling,
deleted pods and rolling restarts under load. Uses the namespace sluice and removes it."""

import asyncio
import json
import os
import subprocess
import sys
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path += [os.path.join(TOP, "tests", "lib"), os.path.join(TOP, "tests", "cluster")]
import chart_test  # noqa: E402
from cluster import await_true  # noqa: E402
from compose_test import in_thread, until  # noqa: E402
from oracle import Oracle  # noqa: E402

NAMESPACE = "sluice"
GUEST = {"user": "guest", "password": "guest"}


def kubectl(*args, check=True, timeout=300):
    out = subprocess.run([chart_test.KUBECTL, "--namespace", NAMESPACE, *args], capture_output=True, text=True, timeout=timeout, cwd=TOP)
    if check and out.returncode != 0:
        raise AssertionError(f"kubectl {' '.join(args)}: {out.stdout[-1500:]}{out.stderr[-3000:]}")
    return out.stdout


def get(*args):
    return json.loads(kubectl("get", *args, "-o", "json"))


def state():
    return kubectl("get", "pods", "-o", "wide", check=False) + kubectl("get", "events", "--sort-by=.lastTimestamp", check=False)[-3000:]


def settled():
    """All workloads have what they want, in the newest version, and nothing else is there."""
    pods = [p for p in get("pods")["items"] if p["metadata"]["labels"].get("app.kubernetes.io/component") != "setup"]
    wanted = 0
    for w in get("deployments,statefulsets")["items"]:
        s = w["status"]
        wanted += w["spec"]["replicas"]
        if s.get("observedGeneration") != w["metadata"]["generation"] or s.get("readyReplicas", 0) != w["spec"]["replicas"] or \
                s.get("updatedReplicas", 0) != w["spec"]["replicas"]:
            return False
    return wanted > 0 and len(pods) == wanted and not any("deletionTimestamp" in p["metadata"] for p in pods)


def await_settled(what, timeout=240):
    try:
        await_true(what, settled, timeout, 0.5)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{state()}") from None


def node_address():
    addresses = get("nodes")["items"][0]["status"]["addresses"]
    return next(a["address"] for a in addresses if a["type"] == "InternalIP")


def node_port(service, name):
    return next(p["nodePort"] for p in get("service", service)["spec"]["ports"] if p["name"] == name)


def empty_namespace():
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait", "--timeout=240s", timeout=260)


def setUpModule():
    if not os.environ.get("KUBECONFIG"):
        raise AssertionError("KUBECONFIG names no cluster")
    chart_test.setUpModule()
    subprocess.run(["docker", "compose", "--profile", "embedded", "build", "-q"], cwd=TOP, check=True)
    empty_namespace()


def add_guest():
    """The user of the demo, through REST from inside the cluster."""
    pod = get("pods", "-l", "app.kubernetes.io/component=rest")["items"][0]["metadata"]["name"]
    out = kubectl("exec", pod, "--", "sh", "-c", "curl -sS -o /dev/null -w '%{http_code}' -X POST -H \"X-API-Key: $(cat /run/secrets/sluice/api-key)\" "
                  "-H 'Content-Type: application/json' -d '{\"password\":\"guest\",\"roles\":[\"GUEST\"]}' http://localhost:8080/rest/user/guest")
    assert out in ("201", "400"), out


def mosquitto(what, *args):
    return subprocess.run([f"mosquitto_{what}", "-h", node_address(), "-p", str(node_port("sluice", "mqtt")), "-u", "guest", "-P", "guest",
                           "-V", "mqttv5", *args], capture_output=True, text=True, timeout=30)


class Kustomize(unittest.TestCase):
    @classmethod
    def tearDownClass(cls):
        empty_namespace()

    def test_apply_from_nothing_and_the_demo(self):
        kubectl("apply", "-k", "k8s/")
        await_settled("all pods ready")
        secret = get("secret", "sluice-secrets")["data"]
        add_guest()
        self.assertEqual(mosquitto("pub", "-t", "test/c", "-m", "through kubernetes", "-r", "-q", "2").returncode, 0)
        got = mosquitto("sub", "-t", "test/c", "-C", "1", "-W", "10")
        self.assertEqual(got.stdout, "through kubernetes\n", got.stderr)
        kubectl("apply", "-k", "k8s/")
        await_settled("all pods ready again")
        self.assertEqual(get("secret", "sluice-secrets")["data"], secret)


class Helm(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.helm("install", "--create-namespace", "--set", "exampleUser.name=guest", "--set", "exampleUser.password=guest", "--set", "store.shards=2")
        cls.addClassCleanup(empty_namespace)
        await_settled("all pods ready after helm install")
        await_true("the example user", lambda: mosquitto("pub", "-t", "x", "-n").returncode == 0, 60, 0.5)

    @classmethod
    def helm(cls, verb, *flags):
        out = subprocess.run([chart_test.HELM, verb, "sluice", os.path.join(TOP, "k8s", "chart"), "--namespace", NAMESPACE, *flags],
                             capture_output=True, text=True, timeout=300)
        assert out.returncode == 0, out.stdout + out.stderr

    def run_oracle(self, script):
        # One client address, one port: what kube-proxy does with connections is what is tested.
        oracle = Oracle([node_port("sluice", "mqtt")], credentials=GUEST, publishers=60, steady=False, clean_subscribers=0,
                        persistent_subscribers=6, host=node_address())
        try:
            return asyncio.run(oracle.run(script, settle=180))
        except BaseException:
            print(state(), file=sys.stderr)
            raise

    def test_1_gateways_scale_up_and_down_under_load(self):
        async def script(oracle):
            await until(oracle, 2000)
            for replicas in (4, 2):
                await in_thread(lambda r=replicas: self.helm("upgrade", "--reuse-values", "--set", f"gateway.replicas={r}"))
                await in_thread(await_settled, f"{replicas} gateways")
                oracle.reconnect_all()
                await until(oracle, 3000)
        self.run_oracle(script)

    def test_2_each_pod_is_deleted_in_turn_under_load(self):
        async def script(oracle):
            for pod in sorted(p["metadata"]["name"] for p in get("pods")["items"] if "setup" not in p["metadata"]["name"] and
                              "example" not in p["metadata"]["name"]):
                await until(oracle, 1000)
                closed = len(oracle.closings)
                await in_thread(lambda p=pod: kubectl("delete", "pod", p, "--wait=false"))
                await in_thread(await_true, f"{pod} gone", lambda p=pod: p not in kubectl("get", "pods", "-o", "name") or "store" in p or "core" in p, 60, 0.5)
                await in_thread(await_settled, f"all ready after {pod}")
                await until(oracle, 1000)
                print(f"deleted {pod}: {len(oracle.closings) - closed} connections closed", flush=True)
                if "gateway" not in pod:
                    self.assertEqual(len(oracle.closings), closed, f"{pod} closed connections")
        self.run_oracle(script)

    def test_3_rolling_restart_of_every_workload_under_load(self):
        async def script(oracle):
            for workload in ("statefulset/sluice-core", "statefulset/sluice-store", "deployment/sluice-rest", "deployment/sluice-gateway"):
                await until(oracle, 1000)
                closed = len(oracle.closings)
                await in_thread(lambda w=workload: kubectl("rollout", "restart", w))
                await in_thread(lambda w=workload: kubectl("rollout", "status", w, "--timeout=240s"))
                await in_thread(await_settled, f"all ready after {workload}")
                await until(oracle, 1000)
                print(f"restarted {workload}: {len(oracle.closings) - closed} connections closed", flush=True)
                if "gateway" not in workload:
                    self.assertEqual(len(oracle.closings), closed, f"{workload} closed connections")
        self.run_oracle(script)


if __name__ == "__main__":
    unittest.main(verbosity=2)
