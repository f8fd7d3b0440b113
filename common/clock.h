/* SPDX-License-Identifier: Apache-2.0 */
/* The only place that asks what time it is. Deadlines use the monotonic clock; wall time is for
 * logs and for what must mean the same in another program. Rooms never call it: they are told. */
#ifndef SLUICE_COMMON_CLOCK_H
#define SLUICE_COMMON_CLOCK_H

#include <stdint.h>

#define CLOCK_ISO8601_SIZE 32

uint64_t clock_monotonic_us(void);
uint64_t clock_monotonic_ms(void);
/* Milliseconds since 1970-01-01 UTC. */
uint64_t clock_wall_ms(void);
/* "2024-02-29T12:34:56.789Z" with its NUL into out; times past year 9999 are shown as that year's
 * end. */
void clock_iso8601(uint64_t wall_ms, char out[CLOCK_ISO8601_SIZE]);

#endif
