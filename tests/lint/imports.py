#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Each test file must load: one that `make test` does not run would be found broken late."""

import glob
import os
import runpy
import sys

sys.path.insert(0, "tests/lib")
sys.dont_write_bytecode = True
bad, begin = 0, (list(sys.path), set(sys.modules))
for path in sorted(glob.glob("tests/*/*_test.py")):
    sys.path[:] = [os.path.dirname(os.path.abspath(path))] + begin[0]
    try:
        runpy.run_path(path, run_name="imported")
    except Exception as e:
        print(f"{path}: {e!r}")
        bad = 1
    for name in set(sys.modules) - begin[1]:  # folders have modules of the same name
        if getattr(sys.modules[name], "__file__", None) and "/tests/" in (sys.modules[name].__file__ or ""):
            del sys.modules[name]
sys.exit(bad)
