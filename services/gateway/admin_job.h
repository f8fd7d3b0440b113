/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A question of an operator on its way through the threads of a gateway: taken by the hub from a
 * core, answered by workers, given back (POST_ADMIN, POST_ADMIN_DONE). Whoever holds it owns it.
 */
#ifndef SERVICES_GATEWAY_ADMIN_JOB_H
#define SERVICES_GATEWAY_ADMIN_JOB_H

#include "proto/admin_codec.h"

#include <stdint.h>

struct admin_job {
    uint64_t id;   /* the core's number for it */
    uint32_t core; /* which core */
    uint16_t method;
    uint32_t worker; /* whose turn it is */
    uint32_t slot;   /* where that worker goes on; 0: from its start */
    bool is_done;    /* this worker has nothing more */
    Sluice__AdminAsk *ask;
    struct admin_writer writer;
};

/* New; takes ask. */
struct admin_job *admin_job_new(uint32_t core, uint64_t id, uint16_t method, Sluice__AdminAsk *ask);
/* NULL is nothing. */
void admin_job_free(struct admin_job *job);

#endif
