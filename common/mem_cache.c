/* SPDX-License-Identifier: Apache-2.0 */
/* See mem_cache.h. A size is a class of blocks with 24, 40, 56 ... bytes of room, as glibc makes
 * them. Sanitizers want to see every block come and go, so that it does nothing for them. */
#include "common/mem_cache.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>

#define ROOM_MIN     24u
#define ROOM_STEP    16u
#define CLASSES      64u
#define BUNDLE_BYTES 8192u
#define BUNDLE_MIN   8u
#define BUNDLE_MAX   64u

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_USED false
#elif defined(__has_feature)
#define IS_USED (!__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer))
#else
#define IS_USED true
#endif

struct bundle {
    struct bundle *next;
    unsigned count, size; /* size: of its class */
    void *blocks[BUNDLE_MAX];
};

/* Of one class: blocks come from and go to `now`; `other` is full or empty, so that a thread that
 * takes and puts in turn does not ask for bundles all the time. */
struct pair {
    struct bundle *now, *other;
};

static struct {
    pthread_mutex_t lock;
    struct bundle *full[CLASSES];
    struct bundle *empty;
    size_t bytes;
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Thread_local struct pair mine[CLASSES];
static _Thread_local bool is_known; /* its end gives back what it has */
static pthread_key_t end_key;
static pthread_once_t end_once = PTHREAD_ONCE_INIT;

static size_t
room_of(size_t class)
{
    return ROOM_MIN + class * ROOM_STEP;
}

static size_t
class_of(size_t size)
{
    return size <= ROOM_MIN ? 0 : (size - ROOM_MIN + ROOM_STEP - 1) / ROOM_STEP;
}

static unsigned
bundle_size(size_t class)
{
    size_t count = BUNDLE_BYTES / room_of(class);
    return count < BUNDLE_MIN ? BUNDLE_MIN : count > BUNDLE_MAX ? BUNDLE_MAX : (unsigned)count;
}

static void
free_blocks(struct bundle *bundle)
{
    while (bundle->count > 0)
        free(bundle->blocks[--bundle->count]);
}

/* Takes a bundle, gives an empty one (NULL: none is there). */
static struct bundle *
give(size_t class, struct bundle *bundle)
{
    size_t bytes = bundle->count * room_of(class);
    struct bundle *empty = NULL;
    bool is_kept;
    pthread_mutex_lock(&shared.lock);
    is_kept = bundle->count > 0 && shared.bytes + bytes <= MEM_CACHE_SHARED_MAX;
    if (is_kept) {
        bundle->next = shared.full[class];
        shared.full[class] = bundle;
        shared.bytes += bytes;
        empty = shared.empty;
        if (empty != NULL)
            shared.empty = empty->next;
    }
    pthread_mutex_unlock(&shared.lock);
    if (is_kept)
        return empty;
    free_blocks(bundle);
    return bundle;
}

/* Takes an empty bundle (may be NULL), gives a full one; NULL: there is none, and the empty one
 * stays the caller's. */
static struct bundle *
get(size_t class, struct bundle *empty)
{
    struct bundle *full;
    pthread_mutex_lock(&shared.lock);
    full = shared.full[class];
    if (full != NULL) {
        shared.full[class] = full->next;
        shared.bytes -= full->count * room_of(class);
        if (empty != NULL) {
            empty->next = shared.empty;
            shared.empty = empty;
        }
    }
    pthread_mutex_unlock(&shared.lock);
    return full;
}

static void
at_end(void *arg)
{
    (void)arg;
    for (size_t class = 0; class < CLASSES; class ++) {
        struct bundle *both[] = {mine[class].now, mine[class].other};
        mine[class] = (struct pair){0};
        for (size_t i = 0; i < 2; i++) {
            if (both[i] != NULL)
                free(give(class, both[i]));
        }
    }
    is_known = false; /* another destructor may still free */
}

static void
make_key(void)
{
    (void)pthread_key_create(&end_key, at_end);
}

static void
know_thread(void)
{
    is_known = true;
    (void)pthread_once(&end_once, make_key);
    (void)pthread_setspecific(end_key, mine);
}

/* `now` has no block left. */
static bool
refill(size_t class)
{
    struct pair *pair = &mine[class];
    struct bundle *bundle = pair->other;
    if (bundle == NULL || bundle->count == 0) {
        bundle = get(class, pair->other);
        if (bundle == NULL)
            return false;
        if (!is_known)
            know_thread();
    }
    pair->other = pair->now;
    pair->now = bundle;
    return true;
}

/* `now` is full, or there is none. */
static bool
make_room(size_t class)
{
    struct pair *pair = &mine[class];
    struct bundle *bundle = pair->other;
    if (bundle != NULL && bundle->count > 0)
        bundle = give(class, bundle);
    if (bundle == NULL)
        bundle = calloc(1, sizeof(*bundle));
    pair->other = pair->now;
    pair->now = bundle;
    if (!is_known)
        know_thread();
    if (bundle != NULL)
        bundle->size = bundle_size(class);
    return bundle != NULL;
}

size_t
mem_cache_room(size_t size)
{
    return room_of(class_of(size));
}

void *
mem_cache_take(size_t size)
{
    size_t class = class_of(size);
    struct pair *pair;
    if (!IS_USED || class >= CLASSES)
        return NULL;
    pair = &mine[class];
    if ((pair->now == NULL || pair->now->count == 0) && !refill(class))
        return NULL;
    return pair->now->blocks[--pair->now->count];
}

bool
mem_cache_put(void *block, size_t room)
{
    size_t class = (room - ROOM_MIN) / ROOM_STEP;
    struct pair *pair;
    if (!IS_USED || room < ROOM_MIN || class >= CLASSES || (room - ROOM_MIN) % ROOM_STEP != 0)
        return false;
    pair = &mine[class];
    if ((pair->now == NULL || pair->now->count == pair->now->size) && !make_room(class))
        return false;
    pair->now->blocks[pair->now->count++] = block;
    return true;
}

size_t
mem_cache_shared(void)
{
    size_t bytes;
    pthread_mutex_lock(&shared.lock);
    bytes = shared.bytes;
    pthread_mutex_unlock(&shared.lock);
    return bytes;
}
