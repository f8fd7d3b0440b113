# SPDX-License-Identifier: Apache-2.0
"""Links between programs that a test can cut, without privileges: programs listen on 127.0.0.1 and
tell each other 127.0.0.2 (the same ports), where a process of ours forwards. Whose connection it is
it finds by the socket's owner in /proc. A frozen link is silent and loses nothing, in one direction or in both; a reset one
closes its connections and refuses new ones. delay_ms: what goes either way comes that much later; such
links are not cut."""

import asyncio
import json
import os
import random
import subprocess
import sys

NEAR, FAR = "127.0.0.1", "127.0.0.2"


class Links:
    """with Links(cluster) as links: links.cut("gateway0", "core0", "freeze") ... links.heal(...)
    To be made before the cluster starts; call started(program) after every start of one."""

    def __init__(self, cluster, delay_ms=0):
        self.cluster, self.process, self.delay_ms = cluster, None, delay_ms
        self.ports = {}
        for program in cluster.programs.values():
            env = program.env
            for key in ("SLUICE_CORES", "SLUICE_STORES"):
                if key in env:
                    env[key] = env[key].replace(NEAR + ":", FAR + ":")
            if program.service == "rest":
                continue
            env["SLUICE_ADVERTISE"] = FAR
            for key in ("SLUICE_CALL_LISTEN", "SLUICE_FEED_LISTEN"):
                if key in env:
                    self.ports[int(env[key].rsplit(":", 1)[1])] = program.name
            start = program.start
            program.start = lambda program=program, start=start: (start(), self.started(program))[0]

    def host(self, _name):
        return NEAR

    def __enter__(self):
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__), json.dumps(self.ports),
                                         str(self.delay_ms)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n", "the forwarding process did not start"
        return self

    def __exit__(self, *_):
        if not self.process:
            return
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)

    def _tell(self, *words):
        if not self.process:
            return
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()

    def started(self, program):
        self._tell("pid", program.name, str(program.pid))

    def cut(self, a, b, how):
        """how: "freeze", "freeze-to" (what a sends to b), "reset"."""
        self._tell(how, a, b)

    def heal(self, a, b):
        self._tell("heal", a, b)


class Later:
    """What a reader reads, half to one and a half times the delay later."""

    def __init__(self, reader, delay_s):
        self.queue = asyncio.Queue()
        self.task = asyncio.ensure_future(self.fill(reader, delay_s))

    async def fill(self, reader, delay_s):
        data = b"?"
        while data:
            try:
                data = await reader.read(65536)
            except OSError:
                data = b""
            self.queue.put_nowait((asyncio.get_running_loop().time() + delay_s * (0.5 + random.random()), data))

    async def read(self, _):
        due, data = await self.queue.get()
        await asyncio.sleep(due - asyncio.get_running_loop().time())
        return data


class Forwarder:
    def __init__(self, ports, delay_ms):
        self.ports, self.delay_s = {int(port): name for port, name in ports.items()}, delay_ms / 1000
        self.pids, self.open, self.mode, self.gates = {}, {}, {}, {}

    def gate(self, source, target):
        way = (source, target)
        if way not in self.gates:
            self.gates[way] = asyncio.Event()
            self.gates[way].set()
        return self.gates[way]

    def owner(self, source_port, port):
        with open("/proc/net/tcp") as table:
            rows = [row.split() for row in table.readlines()[1:]]
        ends = (f"0100007F:{source_port:04X}", f"0200007F:{port:04X}")
        inode = next((row[9] for row in rows if (row[1], row[2]) == ends), None)
        for name, pid in self.pids.items():
            try:
                for fd in os.scandir(f"/proc/{pid}/fd"):
                    if os.readlink(fd.path) == f"socket:[{inode}]":
                        return name
            except OSError:
                continue
        return "rest"  # or gone already

    async def source(self, source_port, port):
        if self.delay_s:
            return "rest"  # links that are slow are not cut: whose it is does not matter
        for _ in range(20):  # a program that has just started is told to us a moment later
            name = self.owner(source_port, port)
            if name != "rest":
                break
            await asyncio.sleep(0.05)
        return name

    async def pump(self, reader, writer, gate):
        if self.delay_s:
            reader = Later(reader, self.delay_s)
        while data := await reader.read(65536):
            await gate.wait()
            writer.write(data)
            await writer.drain()

    async def accept(self, reader, writer):
        port = writer.get_extra_info("sockname")[1]
        name = await self.source(writer.get_extra_info("peername")[1], port)
        there, back = self.gate(name, self.ports[port]), self.gate(self.ports[port], name)
        pair = frozenset((name, self.ports[port]))
        writers = [writer]
        self.open.setdefault(pair, []).append(writers)
        try:
            await there.wait()
            if self.mode.get(pair) == "reset":
                return
            far_reader, far_writer = await asyncio.open_connection(NEAR, port)
            writers.append(far_writer)
            pumps = [asyncio.ensure_future(self.pump(reader, far_writer, there)),
                     asyncio.ensure_future(self.pump(far_reader, writer, back))]
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            await there.wait()
            await back.wait()  # the end is not seen through a frozen link either
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
        except OSError:
            pass
        finally:
            self.open[pair].remove(writers)
            for one in writers:
                one.close()

    def obey(self, line):
        words = line.split()
        if words[0] == "pid":
            self.pids[words[1]] = int(words[2])
            return
        pair = frozenset(words[1:])
        self.mode[pair] = words[0]
        ways = [self.gate(words[1], words[2]), self.gate(words[2], words[1])]
        if words[0] in ("freeze", "freeze-to"):
            for gate in ways[:1] if words[0] == "freeze-to" else ways:
                gate.clear()
            return
        for gate in ways:
            gate.set()
        if words[0] == "reset":
            for writers in list(self.open.get(pair, ())):
                for writer in writers:
                    writer.transport.abort()

    async def main(self):
        servers = [await asyncio.start_server(self.accept, FAR, port) for port in self.ports]
        commands = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
        print("ready", flush=True)
        while line := await commands.readline():
            self.obey(line.decode())
        del servers
        os._exit(0)  # the test is over; nobody is told


if __name__ == "__main__":
    try:
        asyncio.run(Forwarder(json.loads(sys.argv[1]), float(sys.argv[2])).main())
    except KeyboardInterrupt:
        pass
