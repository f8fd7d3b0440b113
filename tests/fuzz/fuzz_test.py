# SPDX-License-Identifier: Apache-2.0
"""Every fuzz target over its kept corpus, and a few seconds beyond it."""

import glob
import os
import subprocess
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
SECONDS = os.environ.get("FUZZ_SECONDS", "5")


class Fuzz(unittest.TestCase):
    pass


def add(name):
    def test(self):
        corpus = os.path.join(HERE, "corpus", name)
        self.assertTrue(os.listdir(corpus), "the corpus is empty")
        with tempfile.TemporaryDirectory() as new:
            out = subprocess.run([os.path.join(TOP, "build/fuzz/tests/fuzz", name + "_fuzz"), f"-max_total_time={SECONDS}",
                                  "-timeout=10", "-rss_limit_mb=2048", f"-artifact_prefix={new}/", new, corpus],
                                 capture_output=True, text=True)
        self.assertEqual(out.returncode, 0, out.stderr[-5000:])
    setattr(Fuzz, f"test_{name}_survives_its_corpus_and_more", test)


for path in glob.glob(os.path.join(HERE, "*_fuzz.c")):
    add(os.path.basename(path)[:-len("_fuzz.c")])

if __name__ == "__main__":
    unittest.main(verbosity=2)
