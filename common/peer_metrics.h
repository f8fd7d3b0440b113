/* SPDX-License-Identifier: Apache-2.0 */
/* What all peers of a program did, as metrics; sums, so the number of series does not grow with the
 * number of peers. */
#ifndef SLUICE_COMMON_PEER_METRICS_H
#define SLUICE_COMMON_PEER_METRICS_H

#include "common/buf.h"

/* A metrics_scrape_fn; arg is the struct peers. Only where the scrape runs on the loop thread that
 * owns the peers. */
void peer_metrics_scrape(void *arg, struct buf *out);

#endif
