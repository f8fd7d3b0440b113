/* SPDX-License-Identifier: Apache-2.0 */
/* Dividing an export; see transfer_divide.h. */
#include "services/store/transfer_divide.h"

#include "common/mem.h"
#include "common/table.h"
#include "proto/shards.h"

struct part {
    struct shard_mark mark;
    bool has_sessions;
    bool has_outbox;
};

struct renumbered {
    uint64_t from;
    uint64_t to;
    UT_hash_handle hh;
};

struct transfer_divide {
    struct shard_mark ours;
    struct shards shards;
    struct part parts[TRANSFER_DIVIDE_PARTS];
    size_t part; /* of these, at present */
    size_t with_sessions;
    bool too_many;
    struct renumbered *sessions; /* of this part, that are ours */
    uint64_t next;
};

struct transfer_divide *
transfer_divide_new(const struct shard_mark *ours)
{
    struct transfer_divide *divide = mem_zalloc(sizeof(*divide));
    size_t i;
    divide->ours = *ours;
    shards_init(&divide->shards, ours->count);
    /* data of before there were shards do not say it */
    for (i = 0; i < TRANSFER_DIVIDE_PARTS; i++)
        divide->parts[i].mark = (struct shard_mark){.number = 0, .count = 1};
    divide->next = shards_first_number(ours->number, 0);
    return divide;
}

static void
forget_sessions(struct transfer_divide *divide)
{
    struct renumbered *session;
    struct renumbered *next;
    HASH_ITER(hh, divide->sessions, session, next)
    {
        HASH_DEL(divide->sessions, session);
        mem_free(session);
    }
}

void
transfer_divide_free(struct transfer_divide *divide)
{
    if (divide == NULL)
        return;
    forget_sessions(divide);
    mem_free(divide);
}

void
transfer_divide_part(struct transfer_divide *divide)
{
    forget_sessions(divide);
    if (divide->part + 1 < TRANSFER_DIVIDE_PARTS)
        divide->part++;
    else
        divide->too_many = true;
}

void
transfer_divide_learn(struct transfer_divide *divide, const struct transfer_line *line)
{
    struct part *part = &divide->parts[divide->part];
    if (transfer_line_is_mark(line) && shard_mark_read(line->texts[TEXT_VALUE], &part->mark) != OK)
        part->mark.count = 0;
    part->has_sessions |= line->type == TRANSFER_SESSION;
    part->has_outbox |= line->type == TRANSFER_OUTBOX;
}

static bool
is_divided_alike(const struct transfer_divide *divide, const struct part *part)
{
    return part->mark.count == divide->ours.count;
}

static enum err
cannot(char why[TRANSFER_WHY_SIZE], const struct part *part, const char *what)
{
    (void)str_format(why, TRANSFER_WHY_SIZE, "shard %u of %u: %s", part->mark.number,
                     part->mark.count, what);
    return ERR_INVALID;
}

enum err
transfer_divide_settle(struct transfer_divide *divide, char why[TRANSFER_WHY_SIZE])
{
    size_t i;
    size_t k;
    if (divide->too_many) {
        (void)str_format(why, TRANSFER_WHY_SIZE, "more than %u exports in one file",
                         TRANSFER_DIVIDE_PARTS - 1);
        return ERR_INVALID;
    }
    for (i = 0; i <= divide->part; i++) {
        const struct part *part = &divide->parts[i];
        if (part->mark.count == 0)
            return cannot(why, part, "the row \"shard\" is damaged");
        if (part->has_outbox && !is_divided_alike(divide, part) &&
            part->mark.number >= divide->ours.count)
            return cannot(why, part,
                          "messages are on their way to cores: start that store with a core, stop "
                          "it, export again");
        for (k = 0; part->has_sessions && k < i; k++) {
            if (divide->parts[k].has_sessions && divide->parts[k].mark.number == part->mark.number)
                return cannot(why, part, "comes twice, and has sessions");
        }
        divide->with_sessions += part->has_sessions;
    }
    divide->part = 0;
    return OK;
}

bool
transfer_divide_has_people(const struct transfer_divide *divide)
{
    return divide->ours.number == SHARDS_PEOPLE;
}

static bool
owns(const struct transfer_divide *divide, struct slice key)
{
    return shards_of(&divide->shards, key) == divide->ours.number;
}

static bool
take_session(struct transfer_divide *divide, struct transfer_line *line)
{
    struct renumbered *session;
    if (!owns(divide, line->texts[TEXT_NAME]))
        return false;
    session = mem_zalloc(sizeof(*session));
    session->from = line->numbers[NUMBER_SESSION];
    session->to = divide->next++;
    HASH_ADD(hh, divide->sessions, from, sizeof(session->from), session);
    line->numbers[NUMBER_SESSION] = session->to;
    return true;
}

static bool
take_below(struct transfer_divide *divide, const struct part *part, struct transfer_line *line)
{
    struct renumbered *session;
    uint64_t *number = &line->numbers[NUMBER_SESSION];
    HASH_FIND(hh, divide->sessions, number, sizeof(*number), session);
    if (session == NULL)
        return false;
    *number = session->to;
    if (line->type == TRANSFER_INBOUND && part->mark.number != divide->ours.number)
        line->numbers[NUMBER_OUTBOX_SEQ] = 0;
    return true;
}

/* Of a part that is divided anew. */
static bool
take_anew(struct transfer_divide *divide, const struct part *part, struct transfer_line *line)
{
    switch (line->type) {
    case TRANSFER_META:
    case TRANSFER_OUTBOX:
        return part->mark.number == divide->ours.number;
    case TRANSFER_TOKENS:
        return divide->with_sessions < 2;
    case TRANSFER_SESSION:
        return take_session(divide, line);
    default:
        return take_below(divide, part, line);
    }
}

bool
transfer_divide_take(struct transfer_divide *divide, struct transfer_line *line)
{
    const struct part *part = &divide->parts[divide->part];
    if (transfer_line_is_mark(line))
        return false; /* these data get their own */
    if (line->type == TRANSFER_USER || line->type == TRANSFER_ROW)
        return transfer_divide_has_people(divide);
    if (line->type == TRANSFER_RETAINED)
        return owns(divide, line->texts[TEXT_TOPIC]);
    if (is_divided_alike(divide, part))
        return part->mark.number == divide->ours.number;
    return take_anew(divide, part, line);
}
