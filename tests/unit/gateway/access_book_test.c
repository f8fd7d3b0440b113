/* SPDX-License-Identifier: Apache-2.0 */
/* Grants of connections, and who is told when roles and users change. */
#include "services/gateway/access_book.h"
#include "tests/unit/cunit_main.h"

#include <stdio.h>

/* A connection, as far as the book knows one. */
struct owner {
    const char *client;
    struct access_grant *grant;
    unsigned changes, gone;
};

static struct access_book *book;
static unsigned asked;
static uint64_t asked_ticket;
static char asked_user[32];

static struct slice
client_of(void *arg, const void *owner)
{
    (void)arg;
    return slice_cstr(((const struct owner *)owner)->client);
}

static void
on_changed(void *arg, void *owner, bool is_gone)
{
    struct owner *one = owner;
    (void)arg;
    one->changes++;
    one->gone += is_gone;
}

static void
on_ask(void *arg, struct slice user, uint64_t ticket)
{
    (void)arg;
    asked++;
    asked_ticket = ticket;
    (void)snprintf(asked_user, sizeof(asked_user), "%.*s", (int)user.len, (const char *)user.data);
}

static void
begin(bool allow_default)
{
    const struct access_book_config config = {.by_default = allow_default ? ACCESS_ALL : 0,
                                              .key = {1, 2},
                                              .client_of = client_of,
                                              .changed = on_changed,
                                              .ask = on_ask};
    book = access_book_new(&config);
    asked = 0;
}

static struct access_terms
terms_of(const char *roles, const char *rules, uint64_t revision)
{
    return (struct access_terms){slice_cstr(roles), slice_cstr(rules), revision};
}

static void
join(struct owner *owner, const char *user, const char *roles, const char *rules, uint64_t revision)
{
    struct access_terms terms = terms_of(roles, rules, revision);
    owner->grant = access_book_join(book, owner, slice_cstr(user), &terms, true);
}

static void
role(const char *name, const char *rules)
{
    struct slice text = slice_cstr(rules);
    access_book_role(book, slice_cstr(name), rules != NULL ? &text : NULL);
}

static bool
may(const struct owner *owner, const char *topic)
{
    bool first = access_book_may_publish(book, owner->grant, slice_cstr(topic));
    CU_ASSERT_EQUAL(access_book_may_publish(book, owner->grant, slice_cstr(topic)), first);
    CU_ASSERT_EQUAL(access_book_may_subscribe(owner->grant, slice_cstr(topic)), first);
    return first;
}

static void
nothing_said_is_the_default(void)
{
    struct owner owner = {"c", NULL, 0, 0};
    begin(true);
    CU_ASSERT_TRUE(may(&owner, "a"));
    join(&owner, "ann", "", "", 1);
    CU_ASSERT_PTR_NULL(owner.grant->check);
    CU_ASSERT_TRUE(may(&owner, "a"));
    access_book_free(book);
    begin(false);
    owner.grant = NULL;
    join(&owner, "ann", "", "", 1);
    CU_ASSERT_FALSE(may(&owner, "a"));
    access_book_leave(book, owner.grant);
    access_book_free(book);
}

static void
rules_of_user_and_roles_count(void)
{
    struct owner owner = {"c", NULL, 0, 0};
    begin(false);
    role("R", "allow all r/#");
    join(&owner, "ann", "\1R\3not", "allow all %u/#", 1);
    CU_ASSERT_TRUE(may(&owner, "r/x"));
    CU_ASSERT_TRUE(may(&owner, "ann/x"));
    CU_ASSERT_FALSE(may(&owner, "bob/x"));
    CU_ASSERT_EQUAL(owner.changes, 0);
    access_book_free(book);
}

static void
connections_of_a_user_share_a_check_unless_it_names_the_client(void)
{
    struct owner one = {"c1", NULL, 0, 0}, two = {"c2", NULL, 0, 0};
    begin(false);
    join(&one, "ann", "", "allow all %u/#", 1);
    join(&two, "ann", "", "allow all %u/#", 1);
    CU_ASSERT_PTR_EQUAL(one.grant->check, two.grant->check);
    CU_ASSERT_EQUAL(one.grant->id, two.grant->id);
    access_book_leave(book, one.grant);
    access_book_leave(book, two.grant);
    join(&one, "ann", "", "allow all %c/#", 2);
    join(&two, "ann", "", "allow all %c/#", 2);
    CU_ASSERT_PTR_NOT_EQUAL(one.grant->check, two.grant->check);
    CU_ASSERT_TRUE(may(&one, "c1/x"));
    CU_ASSERT_FALSE(may(&two, "c1/x"));
    CU_ASSERT_TRUE(may(&two, "c2/x"));
    one.client = "c9";
    access_book_refit(book, one.grant);
    CU_ASSERT_FALSE(may(&one, "c1/x"));
    CU_ASSERT_TRUE(may(&one, "c9/x"));
    access_book_free(book);
}

static void
a_role_that_changes_reaches_those_who_have_it(void)
{
    struct owner has = {"c1", NULL, 0, 0}, has_not = {"c2", NULL, 0, 0};
    begin(true);
    join(&has, "ann", "\1R", "", 1);
    join(&has_not, "bob", "\2RR", "", 1);
    role("R", "deny all x");
    CU_ASSERT_EQUAL(has.changes, 1);
    CU_ASSERT_EQUAL(has_not.changes, 0);
    CU_ASSERT_FALSE(may(&has, "x"));
    CU_ASSERT_TRUE(may(&has_not, "x"));
    role("R", "deny all x"); /* the same */
    CU_ASSERT_EQUAL(has.changes, 1);
    role("R", "deny all %c/y");
    CU_ASSERT_TRUE(may(&has, "x"));
    CU_ASSERT_FALSE(may(&has, "c1/y"));
    role("R", NULL);
    CU_ASSERT_EQUAL(has.changes, 3);
    CU_ASSERT_TRUE(may(&has, "c1/y"));
    access_book_free(book);
}

static void
a_role_that_cannot_be_read_denies_everything(void)
{
    struct owner owner = {"c1", NULL, 0, 0};
    begin(true);
    role("R", "allow nothing");
    join(&owner, "ann", "\1R", "allow all %c", 1);
    CU_ASSERT_FALSE(may(&owner, "c1"));
    CU_ASSERT_FALSE(may(&owner, "x"));
    role("R", "");
    CU_ASSERT_TRUE(may(&owner, "x"));
    access_book_free(book);
}

static void
roles_told_anew_change_only_what_is_different(void)
{
    struct owner same = {"c1", NULL, 0, 0}, gone = {"c2", NULL, 0, 0};
    begin(true);
    role("S", "deny all s");
    role("G", "deny all g");
    join(&same, "ann", "\1S", "", 1);
    join(&gone, "bob", "\1G", "", 1);
    access_book_reset(book);
    role("S", "deny all s");
    CU_ASSERT_FALSE(may(&gone, "g"));
    access_book_end(book);
    CU_ASSERT_EQUAL(same.changes, 0);
    CU_ASSERT_EQUAL(gone.changes, 1);
    CU_ASSERT_TRUE(may(&gone, "g"));
    CU_ASSERT_FALSE(may(&same, "s"));
    access_book_free(book);
}

static void
a_user_that_changes_is_asked_for_and_told(void)
{
    struct owner one = {"c1", NULL, 0, 0}, two = {"c2", NULL, 0, 0}, other = {"c3", NULL, 0, 0};
    struct access_terms now = terms_of("", "deny all x", 5);
    uint64_t old_ticket;
    begin(true);
    join(&one, "ann", "", "", 1);
    join(&two, "ann", "", "", 1);
    join(&other, "bob", "", "", 1);
    access_book_user_changed(book, slice_cstr("nobody"));
    CU_ASSERT_EQUAL(asked, 0);
    access_book_user_changed(book, slice_cstr("ann"));
    CU_ASSERT_STRING_EQUAL(asked_user, "ann");
    old_ticket = asked_ticket;
    access_book_user_changed(book, slice_cstr("ann"));
    access_book_user(book, slice_cstr("ann"), old_ticket, true, &now); /* from before */
    CU_ASSERT_TRUE(may(&one, "x"));
    access_book_user(book, slice_cstr("ann"), asked_ticket, true, &now);
    CU_ASSERT_FALSE(may(&one, "x") || may(&two, "x"));
    CU_ASSERT_TRUE(may(&other, "x"));
    CU_ASSERT(one.changes == 1 && two.changes == 1 && other.changes == 0);
    access_book_user(book, slice_cstr("ann"), asked_ticket, false, NULL); /* answered already */
    CU_ASSERT_EQUAL(one.gone, 0);
    access_book_free(book);
}

static void
a_user_that_is_gone_takes_those_who_need_it(void)
{
    struct owner needs = {"c1", NULL, 0, 0}, certified = {"c2", NULL, 0, 0};
    struct owner token = {"c3", NULL, 0, 0};
    struct access_terms terms = terms_of("", "deny all x", 1);
    begin(true);
    join(&needs, "ann", "", "deny all x", 1);
    certified.grant = access_book_join(book, &certified, slice_cstr("ann"), &terms, false);
    token.grant = access_book_join_alone(book, &token, slice_cstr("ann"), &terms, 0);
    access_book_user_changed(book, slice_cstr("ann"));
    access_book_user(book, slice_cstr("ann"), asked_ticket, false, &terms);
    CU_ASSERT(needs.gone == 1 && certified.gone == 0 && certified.changes == 1);
    CU_ASSERT_TRUE(may(&certified, "x"));
    CU_ASSERT(token.changes == 0);
    CU_ASSERT_FALSE(may(&token, "x"));
    access_book_free(book);
}

static void
all_users_are_asked_for_by_and_by_after_a_doubt(void)
{
    struct owner owners[5] = {{"c", NULL, 0, 0}};
    struct access_terms none = {0};
    char name[8];
    unsigned i;
    begin(true);
    for (i = 0; i < 5; i++) {
        (void)snprintf(name, sizeof(name), "u%u", i);
        owners[i].client = "c";
        join(&owners[i], name, "", "", 1);
    }
    access_book_doubt(book);
    access_book_doubt(book);
    access_book_tick(book, 3);
    CU_ASSERT_EQUAL(asked, 3);
    access_book_unanswered(book, slice_cstr(asked_user), asked_ticket);
    access_book_tick(book, 10);
    CU_ASSERT_EQUAL(asked, 6);
    access_book_user(book, slice_cstr(asked_user), asked_ticket, true, &none);
    access_book_tick(book, 10);
    CU_ASSERT_EQUAL(asked, 6);
    access_book_doubt(book);
    for (i = 0; i < 5; i++)
        access_book_leave(book, owners[i].grant);
    access_book_tick(book, 10);
    CU_ASSERT_EQUAL(asked, 6);
    access_book_free(book);
}

static void
a_newer_word_at_sign_in_counts_for_all_of_the_user(void)
{
    struct owner one = {"c1", NULL, 0, 0}, two = {"c2", NULL, 0, 0}, late = {"c3", NULL, 0, 0};
    begin(true);
    join(&one, "ann", "", "", 1);
    join(&two, "ann", "", "deny all x", 2);
    CU_ASSERT_FALSE(may(&one, "x") || may(&two, "x"));
    CU_ASSERT_EQUAL(one.changes, 1);
    join(&late, "ann", "", "", 1); /* an answer from before */
    CU_ASSERT_FALSE(may(&late, "x"));
    access_book_free(book);
}

static void
what_is_listed_has_no_default(void)
{
    struct owner owner = {"c1", NULL, 0, 0};
    struct access_terms terms = terms_of("", "allow publish x", 0);
    begin(true);
    owner.grant = access_book_join_alone(book, &owner, slice_cstr("ann"), &terms, ACCESS_PUBLISH);
    CU_ASSERT_TRUE(access_book_may_publish(book, owner.grant, slice_cstr("x")));
    CU_ASSERT_FALSE(access_book_may_publish(book, owner.grant, slice_cstr("y")));
    CU_ASSERT_FALSE(access_book_may_publish(book, owner.grant, slice_cstr("$y")));
    CU_ASSERT_TRUE(access_book_may_subscribe(owner.grant, slice_cstr("y")));
    access_book_free(book);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(nothing_said_is_the_default),
    CUNIT_CASE(rules_of_user_and_roles_count),
    CUNIT_CASE(connections_of_a_user_share_a_check_unless_it_names_the_client),
    CUNIT_CASE(a_role_that_changes_reaches_those_who_have_it),
    CUNIT_CASE(a_role_that_cannot_be_read_denies_everything),
    CUNIT_CASE(roles_told_anew_change_only_what_is_different),
    CUNIT_CASE(a_user_that_changes_is_asked_for_and_told),
    CUNIT_CASE(a_user_that_is_gone_takes_those_who_need_it),
    CUNIT_CASE(all_users_are_asked_for_by_and_by_after_a_doubt),
    CUNIT_CASE(what_is_listed_has_no_default),
    CUNIT_CASE(a_newer_word_at_sign_in_counts_for_all_of_the_user),
};

CUNIT_MAIN("access_book", cases)
