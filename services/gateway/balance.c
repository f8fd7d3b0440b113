/* SPDX-License-Identifier: Apache-2.0 */
/* See balance.h. */
#include "services/gateway/balance.h"

void
balance_init(struct balance *balance, uint64_t above_percent, uint64_t rate)
{
    *balance = (struct balance){.above_percent = above_percent, .rate = rate};
}

void
balance_told(struct balance *balance, uint64_t gateways, uint64_t clients, uint64_t now_ms)
{
    balance->gateways = gateways;
    balance->clients = clients;
    balance->told_ms = now_ms;
}

/* How many are far above the mean. Only beyond the bound, and then down to it, not to the mean: who
 * is sent away may come back here, and nobody must be sent around for nothing. */
static uint64_t
excess(const struct balance *balance, uint64_t own)
{
    uint64_t mean = balance->clients / balance->gateways;
    uint64_t margin = mean / 100 * balance->above_percent;
    if (margin < BALANCE_FEW)
        margin = BALANCE_FEW;
    return own > mean && own - mean > margin ? own - mean - margin : 0;
}

uint64_t
balance_next(struct balance *balance, uint64_t own, uint64_t now_ms)
{
    uint64_t n, due;
    if (balance->above_percent == 0 || balance->rate == 0 || balance->gateways < 2 ||
        balance->told_ms == 0 || now_ms - balance->told_ms > BALANCE_STALE_MS)
        return 0;
    n = excess(balance, own);
    if (n == 0 || balance->counted_ms == 0 || now_ms - balance->counted_ms > 1000) {
        /* Nothing is saved up while there is nothing to do. */
        balance->counted_ms = now_ms;
        return 0;
    }
    due = (now_ms - balance->counted_ms) * balance->rate / 1000;
    if (due == 0)
        return 0;
    balance->counted_ms += due * 1000 / balance->rate;
    return due < n ? due : n;
}
