/* SPDX-License-Identifier: Apache-2.0 */
/* What the store has counted, told to every core: they make the $SYS totals of it. */
#ifndef SERVICES_STORE_REPORT_H
#define SERVICES_STORE_REPORT_H

#include <stdint.h>

struct store;

/* Every tick; reports once a second. */
void report_tick(struct store *store, uint64_t now_ms);

#endif
