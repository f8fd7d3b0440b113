/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which publishes this gateway has taken already, per origin: a publish that comes again, through
 * another core or after a core's restart, is recognised. An origin that has been silent for ten
 * minutes is forgotten. Pure: the clock is told.
 */
#ifndef SLUICE_SERVICES_GATEWAY_REPEATS_H
#define SLUICE_SERVICES_GATEWAY_REPEATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPEATS_FORGET_MS 600000u

struct repeats;

/* New; when more than max origins speak, the one silent for longest is forgotten. */
struct repeats *repeats_new(size_t max);
void repeats_free(struct repeats *repeats);
/* Takes a token (not 0) and the floor that its record told; true: it was taken before. A token too
 * far above the floor is not remembered. */
bool repeats_seen(struct repeats *repeats, uint64_t origin, uint64_t token, uint64_t floor,
                  uint64_t now_ms);
/* Forgets the silent ones; every minute or so. */
void repeats_expire(struct repeats *repeats, uint64_t now_ms);
size_t repeats_count(const struct repeats *repeats);

#endif
