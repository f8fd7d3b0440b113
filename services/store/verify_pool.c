/* SPDX-License-Identifier: Apache-2.0 */
/* Password hashing threads; see verify_pool.h. Jobs go to the threads in turn: all cost the same.
 */
#include "services/store/verify_pool.h"

#include "common/log.h"
#include "common/mailbox.h"
#include "common/mem.h"
#include "services/store/signin_scram.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#define THREADS_MAX 32u

enum job_kind { JOB_CHECK, JOB_HASH, JOB_HASH_MD5, JOB_SKIP, JOB_STOP };

struct job {
    enum job_kind kind;
    struct verify_pool *pool;
    verify_pool_fn fn;
    void *arg;
    enum err err;
    char text[CRYPT_PASSWORD_TEXT_MAX];
    size_t password_len;
    uint8_t password[];
};

struct worker_thread {
    pthread_t thread;
    struct loop *loop;
    struct mailbox *mailbox;
};

struct verify_pool {
    struct mailbox *answers;
    struct worker_thread threads[THREADS_MAX];
    unsigned count;
    unsigned next;
    size_t cap;
    size_t waiting;
    _Atomic bool stopping; /* what still waits is passed back undone */
};

static void
free_job(struct job *job)
{
    mem_free_secret(job, sizeof(*job) + job->password_len);
}

/* Behind the hash, from which none could be made: for clients that sign in with SCRAM. */
static void
add_verifier(struct job *job, struct slice password)
{
    char verifier[SCRAM_VERIFIER_MAX];
    size_t at = strlen(job->text);
    scram_verifier_text(password, verifier);
    (void)str_format(job->text + at, sizeof(job->text) - at, "%c%s", SIGNIN_SCRAM_SEPARATOR,
                     verifier);
}

/* On a pool thread. */
static void
run_job(void *arg, void *item)
{
    struct worker_thread *self = arg;
    struct job *job = *(struct job **)item;
    struct slice password = slice_of(job->password, job->password_len);
    if (job->kind != JOB_STOP && job->pool->stopping)
        job->kind = JOB_SKIP;
    switch (job->kind) {
    case JOB_SKIP:
        job->err = ERR_CANCELLED;
        break;
    case JOB_STOP:
        free_job(job);
        loop_stop(self->loop);
        return;
    case JOB_CHECK:
        job->err = crypt_password_verify(
            password, slice_sub(slice_cstr(job->text), 0,
                                slice_find(slice_cstr(job->text), SIGNIN_SCRAM_SEPARATOR)));
        break;
    case JOB_HASH:
        job->err = crypt_password_hash(password, CRYPT_COST_DEFAULT, job->text);
        if (job->err == OK)
            add_verifier(job, password);
        break;
    case JOB_HASH_MD5:
        job->err = crypt_password_hash_md5(password, CRYPT_COST_DEFAULT, job->text);
        break;
    }
    if (mailbox_post(job->pool->answers, &job) != OK)
        log_fatal("verify_pool", "answers do not fit though their number is bounded");
}

static void *
run_thread(void *arg)
{
    struct worker_thread *self = arg;
    loop_run(self->loop);
    return NULL;
}

/* On the owner's thread. */
static void
answer(void *arg, void *item)
{
    struct verify_pool *pool = arg;
    struct job *job = *(struct job **)item;
    pool->waiting--;
    if (!pool->stopping)
        job->fn(job->arg, job->err, job->text);
    free_job(job);
}

struct verify_pool *
verify_pool_new(struct loop *loop, unsigned threads, size_t cap)
{
    struct verify_pool *pool = mem_zalloc(sizeof(*pool));
    unsigned i;
    pool->cap = cap;
    pool->count = threads < 1 ? 1 : threads > THREADS_MAX ? THREADS_MAX : threads;
    pool->answers = mailbox_new(loop, sizeof(struct job *), cap, answer, pool);
    for (i = 0; i < pool->count; i++) {
        struct worker_thread *thread = &pool->threads[i];
        thread->loop = loop_new();
        thread->mailbox = mailbox_new(thread->loop, sizeof(struct job *), cap + 1, run_job, thread);
        if (pthread_create(&thread->thread, NULL, run_thread, thread) != 0)
            log_fatal("verify_pool", "cannot start a thread");
    }
    return pool;
}

static struct job *
new_job(struct verify_pool *pool, enum job_kind kind, struct slice password)
{
    struct job *job = mem_zalloc(sizeof(*job) + password.len);
    job->kind = kind;
    job->pool = pool;
    job->password_len = password.len;
    if (password.len != 0)
        memcpy(job->password, password.data, password.len);
    return job;
}

static enum err
post_job(struct verify_pool *pool, struct job *job)
{
    unsigned thread = pool->next++ % pool->count;
    enum err err = pool->waiting < pool->cap ? OK : ERR_BUSY;
    if (err == OK)
        err = mailbox_post(pool->threads[thread].mailbox, &job);
    if (err != OK)
        free_job(job);
    else
        pool->waiting++;
    return err;
}

void
verify_pool_free(struct verify_pool *pool)
{
    unsigned i;
    if (pool == NULL)
        return;
    pool->stopping = true;
    for (i = 0; i < pool->count; i++) {
        struct job *job = new_job(pool, JOB_STOP, slice_of(NULL, 0));
        if (mailbox_post(pool->threads[i].mailbox, &job) != OK)
            log_fatal("verify_pool", "cannot stop a thread");
    }
    for (i = 0; i < pool->count; i++) {
        (void)pthread_join(pool->threads[i].thread, NULL);
        mailbox_free(pool->threads[i].mailbox);
        loop_free(pool->threads[i].loop);
    }
    (void)mailbox_drain(pool->answers);
    mailbox_free(pool->answers);
    mem_free(pool);
}

enum err
verify_pool_check(struct verify_pool *pool, struct slice password, struct slice text,
                  verify_pool_fn fn, void *arg)
{
    struct job *job;
    if (text.len >= CRYPT_PASSWORD_TEXT_MAX)
        return ERR_MALFORMED;
    job = new_job(pool, JOB_CHECK, password);
    if (text.len != 0)
        memcpy(job->text, text.data, text.len);
    job->fn = fn;
    job->arg = arg;
    return post_job(pool, job);
}

enum err
verify_pool_hash(struct verify_pool *pool, struct slice password, bool md5, verify_pool_fn fn,
                 void *arg)
{
    struct job *job = new_job(pool, md5 ? JOB_HASH_MD5 : JOB_HASH, password);
    job->fn = fn;
    job->arg = arg;
    return post_job(pool, job);
}

size_t
verify_pool_waiting(const struct verify_pool *pool)
{
    return pool->waiting;
}
