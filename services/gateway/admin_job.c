/* SPDX-License-Identifier: Apache-2.0 */
/* See admin_job.h. */
#include "services/gateway/admin_job.h"

#include "common/mem.h"

struct admin_job *
admin_job_new(uint32_t core, uint64_t id, uint16_t method, Sluice__AdminAsk *ask)
{
    struct admin_job *job = mem_zalloc(sizeof(*job));
    job->core = core;
    job->id = id;
    job->method = method;
    job->ask = ask;
    admin_writer_init(&job->writer);
    return job;
}

void
admin_job_free(struct admin_job *job)
{
    if (job == NULL)
        return;
    admin_ask_free(job->ask);
    admin_writer_fini(&job->writer);
    mem_free(job);
}
