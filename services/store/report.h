/* SPDX-License-Identifier: Apache-2.0 */
/* What the store has counted, told to every core: they make the $SYS totals of it. */
#ifndef SERVICES_STORE_REPORT_H
#define SERVICES_STORE_REPORT_H

#include <stdbool.h>
#include <stdint.h>

struct store;

/* Whether our count of retained messages adds to those of other stores: in a table that stores
 * share it is everybody's, and shard 0 tells it. */
bool report_counts_retained(const struct store *store);
/* Every tick; reports once a second. */
void report_tick(struct store *store, uint64_t now_ms);

#endif
