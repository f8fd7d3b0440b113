/* SPDX-License-Identifier: Apache-2.0 */
/* Two vectors: posters fill one under the lock, the owner swaps it for the empty one and delivers
 * outside the lock. The eventfd is written only for the first item into an empty vector. */
#include "common/mailbox.h"

#include "common/log.h"
#include "common/mem.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MAILBOX_FIRST_ITEMS 16
#define MAILBOX_KEEP_ITEMS  1024 /* a larger vector is given back after a rush */

struct mailbox_vector {
    uint8_t *items;
    size_t count;
    size_t size;
};

struct mailbox {
    pthread_mutex_t lock;
    struct mailbox_vector filling; /* under lock */
    struct mailbox_vector taking;  /* the owner's */
    size_t item_size;
    size_t cap;
    mailbox_fn deliver;
    void *arg;
    int wake_fd;
    bool delivering;
    struct loop_watch watch;
};

static void
mailbox_woken(void *arg, unsigned ready)
{
    struct mailbox *mailbox = arg;
    uint64_t count;
    (void)ready;
    if (read(mailbox->wake_fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
        log_fatal("mailbox_broken", "eventfd cannot be read");
    mailbox_drain(mailbox);
}

struct mailbox *
mailbox_new(struct loop *loop, size_t item_size, size_t cap, mailbox_fn deliver, void *arg)
{
    struct mailbox *mailbox = mem_zalloc(sizeof(*mailbox));
    assert(item_size > 0 && cap > 0 && cap <= SIZE_MAX / 2 / item_size);
    pthread_mutex_init(&mailbox->lock, NULL);
    mailbox->item_size = item_size;
    mailbox->cap = cap;
    mailbox->deliver = deliver;
    mailbox->arg = arg;
    mailbox->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (mailbox->wake_fd < 0)
        log_fatal("mailbox_broken", "the system gave no descriptor");
    loop_watch_init(&mailbox->watch, loop, mailbox->wake_fd, mailbox_woken, mailbox);
    loop_watch_set(&mailbox->watch, LOOP_READ);
    return mailbox;
}

void
mailbox_free(struct mailbox *mailbox)
{
    if (mailbox == NULL)
        return;
    assert(!mailbox->delivering);
    loop_watch_fini(&mailbox->watch);
    close(mailbox->wake_fd);
    pthread_mutex_destroy(&mailbox->lock);
    mem_free(mailbox->filling.items);
    mem_free(mailbox->taking.items);
    mem_free(mailbox);
}

static void
mailbox_make_room(struct mailbox *mailbox, struct mailbox_vector *vector, size_t count)
{
    size_t size = vector->size != 0 ? vector->size : MAILBOX_FIRST_ITEMS;
    while (size < count)
        size *= 2;
    if (size > mailbox->cap)
        size = mailbox->cap;
    if (size > vector->size) {
        vector->items = mem_realloc_array(vector->items, size, mailbox->item_size);
        vector->size = size;
    }
}

enum err
mailbox_post_batch(struct mailbox *mailbox, const void *items, size_t count)
{
    static const uint64_t one = 1;
    struct mailbox_vector *vector = &mailbox->filling;
    bool was_empty;
    if (count == 0)
        return OK;
    pthread_mutex_lock(&mailbox->lock);
    if (count > mailbox->cap - vector->count) {
        pthread_mutex_unlock(&mailbox->lock);
        return ERR_BUSY;
    }
    was_empty = vector->count == 0;
    if (count > vector->size - vector->count)
        mailbox_make_room(mailbox, vector, vector->count + count);
    memcpy(vector->items + vector->count * mailbox->item_size, items, count * mailbox->item_size);
    vector->count += count;
    pthread_mutex_unlock(&mailbox->lock);
    /* EAGAIN means that the counter is full of wake-ups: the owner will come. */
    while (was_empty && write(mailbox->wake_fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
    return OK;
}

enum err
mailbox_post(struct mailbox *mailbox, const void *item)
{
    return mailbox_post_batch(mailbox, item, 1);
}

size_t
mailbox_drain(struct mailbox *mailbox)
{
    struct mailbox_vector taken;
    size_t count;
    size_t i;
    assert(!mailbox->delivering);
    pthread_mutex_lock(&mailbox->lock);
    taken = mailbox->filling;
    mailbox->filling = mailbox->taking;
    pthread_mutex_unlock(&mailbox->lock);
    mailbox->taking = (struct mailbox_vector){0};
    mailbox->delivering = true;
    for (i = 0; i < taken.count; i++)
        mailbox->deliver(mailbox->arg, taken.items + i * mailbox->item_size);
    mailbox->delivering = false;
    count = taken.count;
    taken.count = 0;
    if (taken.size > MAILBOX_KEEP_ITEMS && count < taken.size / 8) {
        mem_free(taken.items);
        taken = (struct mailbox_vector){0};
    }
    mailbox->taking = taken;
    return count;
}

size_t
mailbox_count(struct mailbox *mailbox)
{
    size_t count;
    pthread_mutex_lock(&mailbox->lock);
    count = mailbox->filling.count;
    pthread_mutex_unlock(&mailbox->lock);
    return count;
}
