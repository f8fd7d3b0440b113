/* SPDX-License-Identifier: Apache-2.0 */
/* The system's clocks. clock_gettime cannot fail for these two clocks. */
#include "common/clock.h"

#include <stdio.h>
#include <time.h>

#define CLOCK_LAST_MS UINT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

uint64_t
clock_monotonic_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

uint64_t
clock_monotonic_ms(void)
{
    return clock_monotonic_us() / 1000;
}

uint64_t
clock_wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void
clock_iso8601(uint64_t wall_ms, char out[CLOCK_ISO8601_SIZE])
{
    struct tm tm;
    time_t seconds;
    size_t n;
    if (wall_ms > CLOCK_LAST_MS)
        wall_ms = CLOCK_LAST_MS;
    seconds = (time_t)(wall_ms / 1000);
    gmtime_r(&seconds, &tm);
    n = strftime(out, CLOCK_ISO8601_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, CLOCK_ISO8601_SIZE - n, ".%03uZ", (unsigned)(wall_ms % 1000));
}
