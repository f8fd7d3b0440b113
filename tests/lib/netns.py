# SPDX-License-Identifier: Apache-2.0
"""Every program in a network namespace of its own, on a bridge in one that this process has to itself:
links between programs are cut in the kernel, so that TCP itself is cut off, in one direction or in both.
Nothing of the host's network is touched, and all of it goes when the processes end. Needs root, or a
kernel that lets users have namespaces; without that there is links.py."""

import os
import subprocess
import sys

NEAR = "127.0.0.1"
ENTERED = "TEST_NETNS"
BRIDGE = "10.77.0.1"


def enter():
    """Goes on in a network namespace of our own: this process is executed anew. False, with a line that
    says why: that is not possible here."""
    if os.environ.get(ENTERED):
        return True
    options = ["--net"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--net"]
    try:
        trial = subprocess.run(["unshare", *options, "ip", "link", "add", "trial", "type", "bridge"],
                               capture_output=True, text=True)
    except OSError as error:
        trial = subprocess.CompletedProcess([], 1, "", str(error))
    if trial.returncode != 0:
        print(f"no network namespaces here: {trial.stderr.strip()}", flush=True)
        return False
    os.environ[ENTERED] = "1"
    sys.stdout.flush()
    os.execvp("unshare", ["unshare", *options, sys.executable, *sys.argv])


def run(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"


class Netns:
    """As Links of links.py: with Netns(cluster) as links: links.cut("gateway0", "core0", "freeze") ...
    Clients reach a gateway at links.host("gateway0")."""

    def __init__(self, cluster):
        self.cluster, self.holders = cluster, {}
        self.hosts = {name: f"10.77.0.{10 + i}" for i, name in enumerate(cluster.programs)}
        owners = {}
        for program in cluster.programs.values():
            for key in ("SLUICE_CALL_LISTEN", "SLUICE_FEED_LISTEN"):
                if key in program.env:
                    port = program.env[key].rsplit(":", 1)[1]
                    owners[f"{NEAR}:{port}"] = f"{self.hosts[program.name]}:{port}"
        for program in cluster.programs.values():
            program.host = self.hosts[program.name]
            program.env["SLUICE_HTTP_BIND"] = "0.0.0.0"
            for key in ("SLUICE_CORES", "SLUICE_STORES", "SLUICE_CALL_LISTEN", "SLUICE_FEED_LISTEN"):
                if key in program.env:
                    program.env[key] = ",".join(owners.get(one, one) for one in program.env[key].split(","))

    def host(self, name):
        return self.hosts[name]

    def __enter__(self):
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "bridge0", "type", "bridge")
        run("ip", "addr", "add", BRIDGE + "/24", "dev", "bridge0")
        run("ip", "link", "set", "bridge0", "up")
        for number, program in enumerate(self.cluster.programs.values()):
            # It holds the namespace until our end of its stdin is closed, be it by our death.
            holder = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo there; exec cat"], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True)
            assert holder.stdout.readline() == "there\n", "no namespace"
            self.holders[program.name] = holder
            program.command = self.inside(program.name)
            near = f"program{number}"
            run("ip", "link", "add", near, "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
            run("ip", "link", "set", near, "master", "bridge0", "up")
            self.ip(program.name, "link", "set", "lo", "up")
            self.ip(program.name, "addr", "add", self.hosts[program.name] + "/24", "dev", "eth0")
            self.ip(program.name, "link", "set", "eth0", "up")
        return self

    def __exit__(self, *_):
        for holder in self.holders.values():
            holder.stdin.close()
            holder.stdout.close()
            holder.wait(10)
        run("ip", "link", "del", "bridge0")

    def inside(self, name):
        return ["nsenter", f"--net=/proc/{self.holders[name].pid}/ns/net"]

    def ip(self, name, *words):
        run(*self.inside(name), "ip", *words)

    def ways(self, a, b, how):
        return [(a, b)] if how == "freeze-to" else [(a, b), (b, a)]

    def cut(self, a, b, how):
        """how: "freeze" (silence), "freeze-to" (of what a sends to b), "reset" (refused at once)."""
        kind = "unreachable" if how == "reset" else "blackhole"
        for source, target in self.ways(a, b, how):
            self.ip(source, "route", "replace", kind, self.hosts[target] + "/32")

    def heal(self, a, b):
        for source, target in self.ways(a, b, "freeze"):
            self.ip(source, "route", "flush", "root", self.hosts[target] + "/32")
