/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hub's families of metrics: registers them and fills the gauges when they are asked for.
 * Nothing else in the hub knows their names.
 */
#ifndef SLUICE_SERVICES_GATEWAY_HUB_METRICS_H
#define SLUICE_SERVICES_GATEWAY_HUB_METRICS_H

struct hub;

/* Fills hub->metric; the gauges follow hub until the registry ends. */
void hub_metrics_init(struct hub *hub);

#endif
