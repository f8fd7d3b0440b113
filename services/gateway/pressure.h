/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker does when it has too much. Memory full: new clients are refused, publishers are not
 * read, QoS 0 goes only to clients that take it at once; and if that does not help within seconds,
 * the clients for which most is waiting are closed. Late: new connections are closed before
 * anything is read of them. When that begins and ends is overload.h's.
 */
#ifndef SERVICES_GATEWAY_PRESSURE_H
#define SERVICES_GATEWAY_PRESSURE_H

struct worker;

void pressure_init(struct worker *worker);
/* At the end of every turn. */
void pressure_turn(struct worker *worker);
/* A few times a second. */
void pressure_tick(struct worker *worker);

#endif
