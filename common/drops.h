/* SPDX-License-Identifier: Apache-2.0 */
/* Who was not served, and why: the log's side of what counters count. The first time somebody loses
 * something for a reason there is a line at once, then one line per interval with the number of
 * times. So many names per reason and interval have lines of their own; the others share one
 * without a name. Pure: the clock is told, lines go to a function. */
#ifndef SLUICE_COMMON_DROPS_H
#define SLUICE_COMMON_DROPS_H

#include "common/str.h"

#include <stdint.h>

#define DROPS_INTERVAL_MS 10000u
#define DROPS_CLIENTS     10u  /* per reason and interval with lines of their own */
#define DROPS_NAME_MAX    128u /* bytes of a client id that are kept */

/* One per reason; index 0 may stay empty. */
struct drops_reason {
    const char *event, *label; /* static texts: the event of the log, and its reason there */
};

struct drops_line {
    const struct drops_reason *reason;
    struct slice client; /* empty: several others. Borrowed for the call */
    uint64_t count;      /* since the last line about it */
};
typedef void (*drops_fn)(void *arg, const struct drops_line *line);

struct drops;

/* New; reasons (a table of count) is borrowed. */
struct drops *drops_new(const struct drops_reason *reasons, unsigned count, drops_fn fn, void *arg);
void drops_free(struct drops *drops);
/* So many times more for this client: reason is an index of the table, who any number that is its
 * own.
 */
void drops_note(struct drops *drops, unsigned reason, uint64_t times, uint64_t who,
                struct slice client, uint64_t now_ms);
/* Often: what gathered is said when it is time. */
void drops_tick(struct drops *drops, uint64_t now_ms);

/* A drops_fn: the line in the log, as a warning. */
void drops_log(void *arg, const struct drops_line *line);

#endif
