# SPDX-License-Identifier: Apache-2.0
"""Bounds of time that the project promises. A machine that is busy with other things breaks them without a fault
of the code: they are always printed, and asserted only with TEST_BOUNDS=1, on a quiet machine."""

import os

ASSERTED = os.environ.get("TEST_BOUNDS", "") == "1"


def within(test, what, value, most, least=None):
    broken = value > most or (least is not None and value < least)
    print(f"    {'BEYOND ITS BOUND: ' if broken else ''}{what}: {value:.4g} (bound: {'' if least is None else f'{least:.4g} to '}{most:.4g})", flush=True)
    if ASSERTED:
        test.assertFalse(broken, f"{what}: {value}")
