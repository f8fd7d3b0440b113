/* SPDX-License-Identifier: Apache-2.0 */
/* Whether nng still ends connections. All of them are ended by one thread of nng's, and in
 * nng 1.5.2 a tls+tcp connection that dies while it is being sent on can stop that thread for good:
 * the program then reaches no new peer any more. So a thread of ours makes a connection inside the
 * process and closes it, again and again; when that takes too long, nng stands still.
 *
 * It knows no clock: who asks does so at a steady pace, and a program that was stopped as a whole
 * is not mistaken for one whose nng stands still. */
#ifndef SLUICE_COMMON_NNG_CANARY_H
#define SLUICE_COMMON_NNG_CANARY_H

#include "common/err.h"

#include <stdbool.h>
#include <stdint.h>

struct nng_canary;

/* `patience`: how many questions in a row may find that nothing was closed since. ERR_IO: no
 * thread. */
enum err nng_canary_new(uint32_t patience, struct nng_canary **out) ERR_MUST_USE;
/* Asked from one thread. False: nng stands still, and will go on doing so. */
bool nng_canary_sings(struct nng_canary *canary);
/* NULL: nothing. One whose nng stands still is left to the end of the program. */
void nng_canary_free(struct nng_canary *canary);

#endif
