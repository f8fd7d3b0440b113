/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gateways that hold far more clients than the mean of all send some elsewhere, slowly, so that
 * those that came with a scale-out get their part. Rules only: facts and time are told, closing is
 * the caller's.
 */
#ifndef SERVICES_GATEWAY_BALANCE_H
#define SERVICES_GATEWAY_BALANCE_H

#include <stdint.h>

#define BALANCE_STALE_MS 5000u /* older totals of the cluster say nothing */
#define BALANCE_FEW      20u   /* clients above the mean that never count as far */

struct balance {
    uint64_t above_percent;     /* of the mean; beyond it clients go; 0: never */
    uint64_t rate;              /* clients per second */
    uint64_t gateways, clients; /* of the cluster, this gateway included */
    uint64_t told_ms;           /* when that was; 0: never */
    uint64_t counted_ms;        /* up to when clients have been sent away */
};

void balance_init(struct balance *balance, uint64_t above_percent, uint64_t rate);
/* The cluster has so many gateways, with so many clients in all. */
void balance_told(struct balance *balance, uint64_t gateways, uint64_t clients, uint64_t now_ms);
/* How many of the own clients are to go now. Call it a few times a second. */
uint64_t balance_next(struct balance *balance, uint64_t own, uint64_t now_ms);

#endif
