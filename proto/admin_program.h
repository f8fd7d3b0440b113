/* SPDX-License-Identifier: Apache-2.0 */
/* What every program answers operators in the same way: how it is, its settings in force, how much
 * it logs. Each program hands in what it knows of itself; the rest of its questions are its own
 * desk's. */
#ifndef SLUICE_PROTO_ADMIN_PROGRAM_H
#define SLUICE_PROTO_ADMIN_PROGRAM_H

#include "common/err.h"
#include "proto/admin_codec.h"

struct conf;
struct metrics;
struct peers;

struct admin_program {
    const char *service;
    const struct conf *conf;
    struct metrics *metrics;
    struct peers *peers;
    uint64_t started_ms; /* monotonic */
    uint64_t now_ms;
    uint64_t lag_us;
    bool ready;
    bool draining;
    const char *obstacle; /* why it is not ready; "": none */
};

/* Answers the method if it is one of those that all programs answer. ERR_UNSUPPORTED: it is not;
 * other errors are the answer. */
ERR_MUST_USE enum err admin_program_answer(const struct admin_program *program, uint32_t method,
                                           const Sluice__AdminAsk *ask,
                                           struct admin_writer *writer);

/* The value "metrics": the lines of the text format whose families are wanted (names with commas).
 */
void admin_program_put_metrics(struct admin_writer *writer, struct metrics *metrics,
                               struct slice wanted);

#endif
