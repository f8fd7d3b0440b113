/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many connections each address has, counted by several threads at once. A fixed table of
 * atomic words and no lock: a word is 40 bits of a keyed hash of the address and a count of 24
 * bits; a count of 0 leaves a place that anybody may take. Two threads that meet the same new
 * address at the same instant may count it in two places, so that it may get a few connections more
 * than allowed; never fewer. It knows no limit: callers compare.
 */
#ifndef SERVICES_GATEWAY_ADDRESSES_H
#define SERVICES_GATEWAY_ADDRESSES_H

#include "common/address.h"

#include <stddef.h>
#include <stdint.h>

#define ADDRESSES_NO_PLACE UINT32_MAX

struct addresses;

/* New, for so many connections at once (at most 2^30). */
struct addresses *addresses_new(size_t connections);
void addresses_free(struct addresses *addresses);

/* One connection more of this address (of an IPv6 address, its first 64 bits count); returns how
 * many it has now and in *place what addresses_leave wants. ADDRESSES_NO_PLACE, and 0, when the
 * table is too full there, and for addresses of no family: not counted. */
uint32_t addresses_enter(struct addresses *addresses, const struct address *address,
                         uint32_t *place);
void addresses_leave(struct addresses *addresses, uint32_t place);

#endif
