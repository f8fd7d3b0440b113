/* SPDX-License-Identifier: Apache-2.0 */
/* See access_book.h. Rules of a user are kept as text and parsed when a check is made: at the first
 * connection and when something changes. */
#include "services/gateway/access_book.h"

#include "common/cursor.h"
#include "common/mem.h"
#include "common/table.h"

#include <string.h>

#define CACHE_SIZE 4096u /* decisions; a power of two */

struct role {
    UT_hash_handle hh;
    struct access_rules rules;
    bool is_broken; /* the text says nothing: all is denied */
    uint64_t round;
    size_t len;
    uint8_t name[];
};

struct access_person {
    UT_hash_handle hh;                  /* only of shared ones */
    struct access_person *next, **link; /* all */
    struct access_person *next_doubt, **link_doubt;
    struct access_grant *grants;
    struct access_check *check; /* of all grants whose rules have no client id in them */
    uint64_t check_id;
    uint64_t ticket; /* of the question under way; 0: none */
    uint64_t revision;
    char *roles;
    char *rules;
    size_t roles_len, rules_len;
    bool is_shared;
    bool is_known;  /* there is such a user */
    uint8_t listed; /* ACCESS_*: no default for these */
    size_t len;
    uint8_t name[];
};

struct access_book {
    struct access_book_config config;
    struct role *roles;
    struct access_person *shared; /* by name */
    struct access_person *all;
    struct access_person *doubts; /* to be asked for */
    uint64_t round;
    uint64_t next_id;
    uint64_t next_ticket;
    uint64_t cache[CACHE_SIZE]; /* hash of check and topic, lowest bit: allowed */
};

struct access_book *
access_book_new(const struct access_book_config *config)
{
    struct access_book *book = mem_zalloc(sizeof(*book));
    book->config = *config;
    return book;
}

/* ---- checks */

/* The rules that make a person's check. */
struct sources {
    struct access_rules own;
    const struct access_rules *rules[1 + ACCESS_ROLES_MAX];
    size_t count;
    uint8_t names;
    bool is_broken;
};

static void
add_source(struct sources *sources, const struct access_rules *rules)
{
    sources->rules[sources->count++] = rules;
    sources->names |= rules->names;
}

static void
gather(struct access_book *book, const struct access_person *person, struct sources *sources)
{
    struct cursor c = cursor_of(slice_of(person->roles, person->roles_len));
    struct access_problem problem;
    memset(sources, 0, sizeof(*sources));
    if (access_rules_parse(slice_of(person->rules, person->rules_len), &sources->own, &problem) !=
        OK)
        sources->is_broken = true;
    add_source(sources, &sources->own);
    while (cursor_left(&c) != 0 && sources->count <= ACCESS_ROLES_MAX) {
        size_t len = cursor_u8(&c);
        struct slice name = cursor_bytes(&c, len);
        struct role *role = NULL;
        if (name.len != 0)
            HASH_FIND(hh, book->roles, name.data, name.len, role);
        if (role == NULL)
            continue;
        sources->is_broken = sources->is_broken || role->is_broken;
        add_source(sources, &role->rules);
    }
}

static struct access_check *
make(struct access_book *book, const struct sources *sources, const struct access_person *person,
     struct slice client)
{
    const struct access_names names = {slice_of(person->name, person->len), client};
    uint8_t by_default = book->config.by_default & (uint8_t)~person->listed;
    if (sources->is_broken) /* what was meant is not known: nothing is allowed */
        return access_check_new(NULL, 0, &names, 0);
    return access_check_new(sources->rules, sources->count, &names, by_default);
}

static struct slice
name_of(const struct access_person *person)
{
    return slice_of(person->name, person->len);
}

static void
fit(struct access_book *book, struct access_grant *grant, const struct sources *sources)
{
    struct access_person *person = grant->person;
    if (grant->owns_check)
        access_check_free(grant->check);
    grant->owns_check = (sources->names & ACCESS_NAME_CLIENT) != 0 && !sources->is_broken;
    if (grant->owns_check) {
        grant->check =
            make(book, sources, person, book->config.client_of(book->config.arg, grant->owner));
        grant->id = ++book->next_id;
    } else {
        grant->check = person->check;
        grant->id = person->check_id;
    }
}

/* Makes the person's own check; the grants still have the former one, returned to be freed. */
static struct access_check *
renew_check(struct access_book *book, struct access_person *person, const struct sources *sources)
{
    struct access_check *former = person->check;
    bool by_client = (sources->names & ACCESS_NAME_CLIENT) != 0 && !sources->is_broken;
    person->check = by_client ? NULL : make(book, sources, person, slice_of(NULL, 0));
    person->check_id = ++book->next_id;
    return former;
}

/* All grants of the person are made anew, and their owners told. */
static void
renew(struct access_book *book, struct access_person *person)
{
    struct sources sources;
    struct access_grant *grant, *next;
    struct access_check *former;
    bool is_gone = person->is_shared && !person->is_known;
    gather(book, person, &sources);
    former = renew_check(book, person, &sources);
    for (grant = person->grants; grant != NULL; grant = grant->next)
        fit(book, grant, &sources);
    access_check_free(former);
    access_rules_fini(&sources.own);
    /* The last grant to leave takes the person along. */
    for (grant = person->grants; grant != NULL; grant = next) {
        next = grant->next;
        book->config.changed(book->config.arg, grant->owner, is_gone && grant->needs_user);
    }
}

/* ---- persons */

static void
end_doubt(struct access_person *person)
{
    if (person->link_doubt == NULL)
        return;
    *person->link_doubt = person->next_doubt;
    if (person->next_doubt != NULL)
        person->next_doubt->link_doubt = person->link_doubt;
    person->link_doubt = NULL;
}

static void
begin_doubt(struct access_book *book, struct access_person *person)
{
    if (person->link_doubt != NULL)
        return;
    person->next_doubt = book->doubts;
    person->link_doubt = &book->doubts;
    if (book->doubts != NULL)
        book->doubts->link_doubt = &person->next_doubt;
    book->doubts = person;
}

static void
person_free(struct access_book *book, struct access_person *person)
{
    end_doubt(person);
    if (person->is_shared)
        HASH_DEL(book->shared, person);
    *person->link = person->next;
    if (person->next != NULL)
        person->next->link = person->link;
    access_check_free(person->check);
    mem_free(person->roles);
    mem_free(person->rules);
    mem_free(person);
}

static struct access_person *
person_new(struct access_book *book, struct slice user, bool is_shared)
{
    struct access_person *person = mem_zalloc(sizeof(*person) + user.len);
    person->len = user.len;
    if (user.len != 0)
        memcpy(person->name, user.data, user.len);
    person->is_shared = is_shared && user.len != 0;
    person->next = book->all;
    person->link = &book->all;
    if (book->all != NULL)
        book->all->link = &person->next;
    book->all = person;
    if (person->is_shared)
        HASH_ADD_KEYPTR(hh, book->shared, person->name, person->len, person);
    return person;
}

static struct access_person *
find_person(const struct access_book *book, struct slice user)
{
    struct access_person *person = NULL;
    if (user.len != 0)
        HASH_FIND(hh, book->shared, user.data, user.len, person);
    return person;
}

/* False: they are the same as before. */
static bool
set_terms(struct access_person *person, const struct access_terms *terms, bool known)
{
    bool same = person->rules != NULL && person->is_known == known &&
                slice_equal(terms->roles, slice_of(person->roles, person->roles_len)) &&
                slice_equal(terms->rules, slice_of(person->rules, person->rules_len));
    person->revision = terms->revision;
    person->is_known = known;
    if (same)
        return false;
    mem_free(person->roles);
    mem_free(person->rules);
    person->roles = slice_dup(terms->roles);
    person->roles_len = terms->roles.len;
    person->rules = slice_dup(terms->rules);
    person->rules_len = terms->rules.len;
    return true;
}

static struct access_grant *
add_grant(struct access_book *book, struct access_person *person, void *owner, bool needs_user,
          bool renew_all)
{
    struct access_grant *grant = mem_zalloc(sizeof(*grant));
    struct sources sources;
    grant->person = person;
    grant->owner = owner;
    grant->needs_user = needs_user;
    if (renew_all)
        renew(book, person); /* the others; this one is not there yet */
    gather(book, person, &sources);
    fit(book, grant, &sources);
    access_rules_fini(&sources.own);
    grant->next = person->grants;
    grant->link = &person->grants;
    if (person->grants != NULL)
        person->grants->link = &grant->next;
    person->grants = grant;
    return grant;
}

struct access_grant *
access_book_join(struct access_book *book, void *owner, struct slice user,
                 const struct access_terms *terms, bool needs_user)
{
    struct access_person *person = find_person(book, user);
    bool changed = false;
    if (person == NULL) {
        person = person_new(book, user, true);
        changed = set_terms(person, terms, true);
    } else if (terms->revision > person->revision) {
        changed = set_terms(person, terms, true);
    }
    return add_grant(book, person, owner, needs_user, changed);
}

struct access_grant *
access_book_join_alone(struct access_book *book, void *owner, struct slice user,
                       const struct access_terms *terms, uint8_t listed)
{
    struct access_person *person = person_new(book, user, false);
    person->listed = listed;
    return add_grant(book, person, owner, false, set_terms(person, terms, true));
}

void
access_book_leave(struct access_book *book, struct access_grant *grant)
{
    struct access_person *person;
    if (grant == NULL)
        return;
    person = grant->person;
    *grant->link = grant->next;
    if (grant->next != NULL)
        grant->next->link = grant->link;
    if (grant->owns_check)
        access_check_free(grant->check);
    mem_free(grant);
    if (person->grants == NULL)
        person_free(book, person);
}

void
access_book_refit(struct access_book *book, struct access_grant *grant)
{
    struct sources sources;
    if (grant == NULL || !grant->owns_check)
        return;
    gather(book, grant->person, &sources);
    fit(book, grant, &sources);
    access_rules_fini(&sources.own);
}

/* ---- users that change */

static void
ask(struct access_book *book, struct access_person *person)
{
    end_doubt(person);
    person->ticket = ++book->next_ticket;
    book->config.ask(book->config.arg, name_of(person), person->ticket);
}

void
access_book_user_changed(struct access_book *book, struct slice user)
{
    struct access_person *person = find_person(book, user);
    if (person != NULL)
        ask(book, person);
}

void
access_book_doubt(struct access_book *book)
{
    struct access_person *person;
    for (person = book->all; person != NULL; person = person->next) {
        if (person->is_shared)
            begin_doubt(book, person);
    }
}

void
access_book_tick(struct access_book *book, size_t max)
{
    for (; max > 0 && book->doubts != NULL; max--)
        ask(book, book->doubts);
}

void
access_book_user(struct access_book *book, struct slice user, uint64_t ticket, bool known,
                 const struct access_terms *terms)
{
    const struct access_terms none = {0};
    struct access_person *person = find_person(book, user);
    if (person == NULL || person->ticket != ticket)
        return;
    person->ticket = 0;
    if (set_terms(person, known ? terms : &none, known))
        renew(book, person);
}

void
access_book_unanswered(struct access_book *book, struct slice user, uint64_t ticket)
{
    struct access_person *person = find_person(book, user);
    if (person != NULL && person->ticket == ticket)
        begin_doubt(book, person);
}

/* ---- roles */

static bool
has_role(const struct access_person *person, const struct role *role)
{
    struct cursor c = cursor_of(slice_of(person->roles, person->roles_len));
    while (cursor_left(&c) != 0) {
        size_t len = cursor_u8(&c);
        if (slice_equal(cursor_bytes(&c, len), slice_of(role->name, role->len)))
            return true;
    }
    return false;
}

/* Those who have the role get grants anew. */
static void
role_changed(struct access_book *book, const struct role *role)
{
    struct access_person *person, *next;
    for (person = book->all; person != NULL; person = next) {
        next = person->next;
        if (has_role(person, role))
            renew(book, person);
    }
}

static void
role_free(struct role *role)
{
    access_rules_fini(&role->rules);
    mem_free(role);
}

static void
role_remove(struct access_book *book, struct role *role)
{
    HASH_DEL(book->roles, role);
    role_changed(book, role);
    role_free(role);
}

void
access_book_role(struct access_book *book, struct slice name, const struct slice *rules)
{
    struct access_problem problem;
    struct role *role = NULL;
    if (name.len == 0)
        return;
    HASH_FIND(hh, book->roles, name.data, name.len, role);
    if (rules == NULL) {
        if (role != NULL)
            role_remove(book, role);
        return;
    }
    if (role == NULL) {
        role = mem_zalloc(sizeof(*role) + name.len);
        role->len = name.len;
        memcpy(role->name, name.data, name.len);
        HASH_ADD_KEYPTR(hh, book->roles, role->name, role->len, role);
    } else if (!role->is_broken && slice_equal_cstr(*rules, role->rules.text)) {
        role->round = book->round;
        return;
    }
    role->round = book->round;
    access_rules_fini(&role->rules);
    role->is_broken = access_rules_parse(*rules, &role->rules, &problem) != OK;
    role_changed(book, role);
}

void
access_book_reset(struct access_book *book)
{
    book->round++;
}

void
access_book_end(struct access_book *book)
{
    struct role *role, *next;
    HASH_ITER(hh, book->roles, role, next)
    {
        if (role->round != book->round)
            role_remove(book, role);
    }
}

/* ---- */

void
access_book_free(struct access_book *book)
{
    struct role *role, *next;
    if (book == NULL)
        return;
    HASH_ITER(hh, book->roles, role, next)
    {
        HASH_DEL(book->roles, role);
        role_free(role);
    }
    while (book->all != NULL) {
        struct access_person *person = book->all;
        while (person->grants->next != NULL)
            access_book_leave(book, person->grants);
        access_book_leave(book, person->grants);
    }
    mem_free(book);
}

bool
access_book_may_publish_slow(struct access_book *book, const struct access_grant *grant,
                             struct slice topic)
{
    /* A keyed hash stands for check and topic: nobody can choose two that are equal. */
    uint64_t hash = (hash_sip13(topic.data, topic.len, book->config.key) ^ hash_mix64(grant->id)) |
                    UINT64_C(1) << 63;
    uint64_t *at = &book->cache[hash >> 1 & (CACHE_SIZE - 1)];
    bool allowed;
    if ((*at | 1) == (hash | 1))
        return (*at & 1) != 0;
    allowed = access_check_publish(grant->check, topic);
    *at = (hash & ~UINT64_C(1)) | (allowed ? 1 : 0);
    return allowed;
}
