# SPDX-License-Identifier: Apache-2.0
"""Programs that pause at random, for finding tests that rely on an order or a time that nothing gives:
with TEST_JITTER=150 in the environment each program of a Cluster is stopped again and again for up to
150 ms (far less than a lease), and goes on. A test that fails only then asserts something too early."""

import os
import random
import signal
import threading

LONGEST_MS = int(os.environ.get("TEST_JITTER", "0"))


class Jitter:
    def __init__(self):
        self.over, self.threads = threading.Event(), []

    def start(self, programs):
        for program in programs if LONGEST_MS else ():
            self.threads.append(threading.Thread(target=self.pause, args=(program,), daemon=True))
            self.threads[-1].start()

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()

    @staticmethod
    def is_stopped(process):
        """Also when it is gone."""
        try:
            with open(f"/proc/{process.pid}/stat") as stat:
                return stat.read().rsplit(")", 1)[1].split()[0] in "TZ"
        except OSError:
            return True

    def pause(self, program):
        rng = random.Random()
        while not self.over.wait(rng.random() * LONGEST_MS / 1000):
            process = program.process
            if process is None or process.returncode is not None or self.is_stopped(process):
                continue  # dead, or stopped by the test: its own affair
            process.send_signal(signal.SIGSTOP)
            self.over.wait(rng.random() * LONGEST_MS / 1000)
            process.send_signal(signal.SIGCONT)
