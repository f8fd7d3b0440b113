# SPDX-License-Identifier: Apache-2.0
"""The real programs on free ports in a temporary directory, for tests: started in
order, waited for by their probes, killed, stopped and cut off on demand; at the end
every program must end by itself on SIGTERM with nothing bad in its log."""

import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from jitter import Jitter
from links import Links

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
FLAVOUR = os.environ.get("FLAVOUR", "release")
HOST = "127.0.0.1"
DEFAULT_PORTS = (18483, 18883, 28483, 28883)
SLOW_LINKS_MS = int(os.environ.get("TEST_SLOW_LINKS", "0"))
API_KEY = "test-key-0123456789"


def _blocks():
    """Blocks of 200 ports that no other process of tests on this machine has: locked as long as this one lives."""
    for n in range(100):
        n = (os.getpid() + n) % 100
        lock = os.open(os.path.join(tempfile.gettempdir(), f"sluice-test-ports-{os.getuid()}-{n}"), os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            continue
        yield range(12000 + 200 * n, 12200 + 200 * n)


_ports = (port for block in _blocks() for port in block)


def free_ports(n):
    """Ports that were free a moment ago, none given out twice by this process, nor by others while it
    lives. Below the range from which the kernel takes ports of outgoing connections, so that nobody takes
    one before it is used, nor while its program is away."""
    out = []
    while len(out) < n:
        port = next(_ports)
        if port in DEFAULT_PORTS:
            continue  # tests of `make up` have them
        with socket.socket() as s:
            try:
                s.bind((HOST, port))
            except OSError:
                continue
        out.append(port)
    return out


def await_true(what, condition, timeout=60, every=0.02):
    """Waits until condition() is true; fails naming what was awaited."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout} s in vain for: {what}")
        time.sleep(every)


def http(url, method="GET", body=None, headers=None, timeout=40):
    """(status, text, headers) of an HTTP request; HTTP errors are answers too."""
    request = urllib.request.Request(url, data=body.encode() if isinstance(body, str) else body, method=method,
                                     headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers


class Program:
    def __init__(self, cluster, name, service, env):
        self.cluster, self.name, self.service, self.env = cluster, name, service, env
        self.http_port, self.process = int(env["SLUICE_HTTP_PORT"]), None
        self.host, self.command = HOST, []  # where it is, and what runs it there
        self.log_path = os.path.join(cluster.directory, name + ".log")
        self.build = os.path.join(TOP, "build", FLAVOUR)  # where its executable is

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith("SLUICE_")}
        env.update(self.env, SLUICE_INSTANCE=self.name)
        env.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0:exitcode=99")
        env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1:exitcode=99")
        env.setdefault("TSAN_OPTIONS", f"exitcode=99:suppressions={TOP}/tests/lint/tsan.supp")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([*self.command, os.path.join(self.build, "sluice-" + self.service)],
                                            env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def probe(self, path):
        try:
            return http(f"http://{self.host}:{self.http_port}{path}", timeout=30)
        except (OSError, urllib.error.URLError):
            return None, "", {}

    def is_ready(self):
        assert self.process.poll() is None, f"{self.name} ended with {self.process.returncode}: {self.log()[-2000:]}"
        return self.probe("/readyz")[0] == 200

    def await_ready(self, timeout=120):
        await_true(f"{self.name} ready; its log ends with: {self.log()[-1500:]}", self.is_ready, timeout)
        return self

    def metrics(self):
        """Dict of 'name{labels}' -> value."""
        out = {}
        for line in self.probe("/metrics")[1].splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                out[name] = float(value)
        return out

    def metric(self, name):
        """Sum over all label values of one metric."""
        return sum(v for k, v in self.metrics().items() if k == name or k.startswith(name + "{"))

    def health(self):
        return json.loads(self.probe("/healthz")[1])

    def rss_kb(self):
        with open(f"/proc/{self.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))

    def kill(self, sig=signal.SIGKILL):
        self.process.send_signal(sig)
        if sig == signal.SIGKILL:
            self.process.wait()

    def restart(self):
        return self.start()

    def log(self):
        try:
            with open(self.log_path, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def await_log(self, text):
        await_true(f"{self.name} logs {text!r}", lambda: text in self.log())

    def end(self):
        """SIGTERM, and the exit must be clean."""
        if self.process is None or self.process.returncode == -signal.SIGKILL:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"{self.name} did not end on SIGTERM: {self.log()[-3000:]}") from None
        assert self.process.returncode == 0, \
            f"{self.name} exited with {self.process.returncode}: {self.log()[-6000:]}"


class Cluster:
    """with Cluster(gateways=2, cores=2) as c: c.port(0), c["core0"].kill() ...
    tls: settings of TLS for the gateways; their ports are chosen here. stores: shards; the stores are
    c["store"], c["store1"] ...; STORES in the environment for tests that do not say. spares: c["spare0"] ..."""

    def __init__(self, gateways=1, cores=1, anonymous=True, env=None, per=None, tls=None, stores=None, spares=0):
        """env: settings for every program; per: {"gateway": {...}} or {"core0": {...}} for some."""
        self.directory = tempfile.mkdtemp(prefix="sluice-test-")
        self.programs, self.n_gateways, self.n_cores, self.jitter = {}, gateways, cores, Jitter()
        self.n_stores = stores or int(os.environ.get("STORES", "1"))
        per = per or {}
        core_ports = [free_ports(3) for _ in range(cores)]
        store_ports = [free_ports(3) for _ in range(self.n_stores + spares)]
        store_list = ",".join(f"{HOST}:{p[0]}" for p in store_ports)
        core_list = ",".join(f"{HOST}:{p[0]}" for p in core_ports)
        common = {"SLUICE_CLUSTER_SECRET": "test-secret-of-the-cluster", "SLUICE_LOG_FORMAT": "kv", **(env or {})}

        def add(name, service, settings):
            merged = {**common, **settings, **per.get(service, {}), **(per.get(name, {}) if name != service else {})}
            self.programs[name] = Program(self, name, service, {k: str(v) for k, v in merged.items()})

        for i, ports in enumerate(store_ports):
            name = f"spare{i - self.n_stores}" if i >= self.n_stores else f"store{i}" if i else "store"
            add(name, "store", {
                "SLUICE_CALL_LISTEN": f"{HOST}:{ports[0]}", "SLUICE_FEED_LISTEN": f"{HOST}:{ports[1]}",
                "SLUICE_HTTP_PORT": ports[2], "SLUICE_CORES": core_list,
                "SLUICE_DATA_DIR": os.path.join(self.directory, f"data{i or ''}"),
                **({"SLUICE_SHARD": i if i < self.n_stores else "spare", "SLUICE_SHARDS": self.n_stores, "SLUICE_STORES": store_list}
                   if self.n_stores > 1 else {})})
        for i, ports in enumerate(core_ports):
            add(f"core{i}", "core", {"SLUICE_CALL_LISTEN": f"{HOST}:{ports[0]}",
                                     "SLUICE_FEED_LISTEN": f"{HOST}:{ports[1]}", "SLUICE_HTTP_PORT": ports[2],
                                     **({"SLUICE_STORES": self.n_stores} if self.n_stores > 1 else {})})
        for i in range(gateways):
            ports = free_ports(4)
            add(f"gateway{i}", "gateway", {
                "SLUICE_MQTT_PORT": ports[0], "SLUICE_WS_PORT": ports[3], "SLUICE_TLS_PORT": 0, "SLUICE_WSS_PORT": 0, "SLUICE_FEED_LISTEN": f"{HOST}:{ports[1]}",
                "SLUICE_HTTP_PORT": ports[2], "SLUICE_CORES": core_list, "SLUICE_STORES": store_list,
                "SLUICE_ALLOW_ANONYMOUS": "true" if anonymous else "false",
                **(dict(zip(("SLUICE_TLS_PORT", "SLUICE_WSS_PORT"), free_ports(2)), **tls) if tls else {})})
        ports = free_ports(2)
        add("rest", "rest", {"SLUICE_PORT": ports[0], "SLUICE_HTTP_PORT": ports[1], "SLUICE_API_KEY": API_KEY,
                             "SLUICE_STORES": store_list, "SLUICE_CORES": core_list})
        self.slow = Links(self, SLOW_LINKS_MS) if SLOW_LINKS_MS else None

    def __getitem__(self, name):
        return self.programs[name]

    def port(self, gateway=0, transport="mqtt"):
        """Of a transport: mqtt, tls, ws, wss."""
        return int(self.programs[f"gateway{gateway}"].env[f"SLUICE_{transport.upper()}_PORT"])

    def rest(self, method, path, body=None, headers=None):
        """(status, text, headers) of a REST request with the key."""
        given = {"X-API-Key": API_KEY}
        if body is not None:
            given["Content-Type"] = "application/json"
        given.update(headers or {})
        port = self.programs["rest"].env["SLUICE_PORT"]
        return http(f"http://{self.programs['rest'].host}:{port}{path}", method, body, {k: v for k, v in given.items() if v is not None})

    def add_user(self, name, password, roles=("USER",)):
        status, text, _ = self.rest("POST", f"/rest/user/{name}",
                                    json.dumps({"password": password, "roles": list(roles)}))
        assert status == 201, (status, text)

    def start(self):
        try:
            if self.slow:
                self.slow.__enter__()
            for program in self.programs.values():
                program.start()
            for program in self.programs.values():
                program.await_ready()
            self.jitter.start(self.programs.values())
        except BaseException:
            self.abandon()
            raise
        return self

    def restart_store(self, meanwhile=lambda: None):
        """Kills the store and starts it anew; returns when gateways and rest have found it. That they say to
        be ready means nothing: they may not have noticed yet that it was away."""
        def found():
            return [p.log().count("store_resynced") for p in self.programs.values() if p.service == "gateway"]
        before = found()
        self["store"].kill()
        meanwhile()
        self["store"].restart().await_ready()
        await_true("every gateway has found the store", lambda: all(now > then for now, then in zip(found(), before)))
        await_true("rest has found the store", lambda: self.rest("GET", "/api/v1/roles")[0] == 200)

    def stop(self):
        self.jitter.stop()
        errors = []
        order = [n for n in self.programs if n == "rest"] + [n for n in self.programs if n.startswith("gateway")] + \
                [n for n in self.programs if n.startswith("core")] + [n for n in self.programs if n.startswith(("store", "spare"))]
        for name in order:
            try:
                self.programs[name].end()
            except AssertionError as error:
                errors.append(str(error))
        for program in self.programs.values():
            bad = re.search(r"(ERROR: (Address|Leak|Thread)Sanitizer|runtime error|WARNING: ThreadSanitizer|"
                            r"Assertion .* failed)(.|\n){0,5000}", program.log())
            if bad:
                errors.append(f"{program.name}: {bad.group(0)}")
        if errors:
            raise AssertionError("\n".join(errors))
        shutil.rmtree(self.directory, ignore_errors=True)

    def abandon(self):
        self.jitter.stop()
        for program in self.programs.values():
            if program.process and program.process.poll() is None:
                program.process.kill()
                program.process.wait()
        if self.slow:
            self.slow.__exit__()
            self.slow = None

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        if kind is not None:
            self.abandon()
            return
        try:
            self.stop()
        finally:
            self.abandon()
