/* SPDX-License-Identifier: Apache-2.0 */
/* Calls about roles, bans, keys, rules of users and the audit, to a whole store, also over a
 * restart; and what gateways are told of it. */
#include "proto/access.pb-c.h"
#include "tests/unit/store/store_talk.h"

#include <stdio.h>

#define TEXT(s) ((char *)(uintptr_t)(s))

static enum err
put_role(struct kit *kit, const char *name, const char *rules, uint64_t if_revision,
         uint64_t *revision)
{
    Sluice__RolePut put = SLUICE__ROLE_PUT__INIT;
    Sluice__RowPutDone *done;
    enum err err;
    put.name = TEXT(name);
    put.rules = TEXT(rules);
    put.actor = TEXT("ann");
    put.if_revision = if_revision;
    put.has_if_revision = if_revision != 0;
    err = kit_call(kit, CALL_ROLE_PUT, &put);
    if (err != OK)
        return err;
    done = sluice__row_put_done__unpack(NULL, kit->answer.len, kit->answer.bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(done);
    *revision = done->revision;
    sluice__row_put_done__free_unpacked(done, NULL);
    return OK;
}

static enum err
delete_row(struct kit *kit, uint16_t method, const char *name)
{
    Sluice__RowDelete message = SLUICE__ROW_DELETE__INIT;
    message.name = TEXT(name);
    message.actor = TEXT("bob");
    return kit_call(kit, method, &message);
}

static enum err
put_ban(struct kit *kit, Sluice__BanKind kind, const char *subject, uint64_t until_ms)
{
    Sluice__BanPut put = SLUICE__BAN_PUT__INIT;
    put.kind = kind;
    put.subject = TEXT(subject);
    put.until_ms = until_ms;
    put.reason = TEXT("a test");
    put.actor = TEXT("ann");
    return kit_call(kit, CALL_BAN_PUT, &put);
}

/* The audit, newest first, as lines. */
static void
expect_audit(struct kit *kit, const char *want)
{
    Sluice__AuditList get = SLUICE__AUDIT_LIST__INIT;
    Sluice__AuditListed *listed;
    char text[2000] = "";
    size_t i;
    CU_ASSERT_EQUAL_FATAL(kit_call(kit, CALL_AUDIT_LIST, &get), OK);
    listed = sluice__audit_listed__unpack(NULL, kit->answer.len, kit->answer.bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(listed);
    for (i = 0; i < listed->n_entries; i++) {
        const Sluice__AuditEntry *entry = listed->entries[i];
        size_t at = strlen(text);
        CU_ASSERT(entry->time_ms != 0);
        (void)snprintf(text + at, sizeof(text) - at, "%llu %s %s %s: %s\n",
                       (unsigned long long)entry->number, entry->actor, entry->what, entry->subject,
                       entry->detail);
    }
    CU_ASSERT_STRING_EQUAL(text, want);
    sluice__audit_listed__free_unpacked(listed, NULL);
}

static void
a_role_is_edited_under_its_revision(void)
{
    struct kit *kit = kit_new();
    Sluice__RowGet get = SLUICE__ROW_GET__INIT;
    Sluice__Role *role;
    uint64_t first = 0, second = 0;
    CU_ASSERT_EQUAL(put_role(kit, "R", "allow all #", 0, &first), OK);
    CU_ASSERT_EQUAL(put_role(kit, "R", "allow all b", first + 7, &second), ERR_CONFLICT);
    CU_ASSERT_EQUAL(put_role(kit, "S", "allow all b", 1, &second), ERR_CONFLICT);
    CU_ASSERT_EQUAL(put_role(kit, "R", "allow a rule", 0, &second), ERR_INVALID);
    CU_ASSERT_EQUAL(put_role(kit, "a\nb", "", 0, &second), ERR_INVALID);
    CU_ASSERT_EQUAL(put_role(kit, "", "", 0, &second), ERR_INVALID);
    CU_ASSERT_EQUAL(put_role(kit, "R", "allow all c\n# c", first, &second), OK);
    CU_ASSERT(second > first);
    kit_restart_store(kit);
    get.name = TEXT("R");
    CU_ASSERT_EQUAL_FATAL(kit_call(kit, CALL_ROLE_GET, &get), OK);
    role = sluice__role__unpack(NULL, kit->answer.len, kit->answer.bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(role);
    CU_ASSERT_STRING_EQUAL(role->rules, "allow all c\n# c");
    CU_ASSERT_EQUAL(role->revision, second);
    sluice__role__free_unpacked(role, NULL);
    CU_ASSERT_EQUAL(delete_row(kit, CALL_ROLE_DELETE, "R"), OK);
    CU_ASSERT_EQUAL(delete_row(kit, CALL_ROLE_DELETE, "R"), ERR_NOT_FOUND);
    CU_ASSERT_EQUAL(kit_call(kit, CALL_ROLE_GET, &get), ERR_NOT_FOUND);
    expect_audit(kit,
                 "3 bob role.delete R: \n2 ann role.put R: 1 rules\n1 ann role.put R: 1 rules\n");
    kit_free(kit);
}

static void
lists_come_in_pages(void)
{
    struct kit *kit = kit_new();
    Sluice__RowList get = SLUICE__ROW_LIST__INIT;
    char after[16] = "", name[16];
    uint64_t revision;
    unsigned i, pages = 0, roles = 0;
    for (i = 0; i < 25; i++) {
        (void)snprintf(name, sizeof(name), "role-%02u", i * 7 % 25);
        CU_ASSERT_EQUAL(put_role(kit, name, "", 0, &revision), OK);
    }
    do {
        Sluice__RowListed *listed;
        get.after = after;
        get.limit = 10;
        CU_ASSERT_EQUAL_FATAL(kit_call(kit, CALL_ROLE_LIST, &get), OK);
        listed = sluice__row_listed__unpack(NULL, kit->answer.len, kit->answer.bytes);
        CU_ASSERT_PTR_NOT_NULL_FATAL(listed);
        roles += (unsigned)listed->n_rows;
        (void)snprintf(after, sizeof(after), "%s", listed->next);
        sluice__row_listed__free_unpacked(listed, NULL);
        pages++;
    } while (after[0] != '\0');
    CU_ASSERT_EQUAL(roles, 25);
    CU_ASSERT_EQUAL(pages, 3);
    kit_free(kit);
}

static bool
no_ban_is_left(struct kit *kit)
{
    Sluice__RowList get = SLUICE__ROW_LIST__INIT;
    Sluice__RowListed *listed;
    size_t count;
    CU_ASSERT_EQUAL_FATAL(kit_call(kit, CALL_BAN_LIST, &get), OK);
    listed = sluice__row_listed__unpack(NULL, kit->answer.len, kit->answer.bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(listed);
    count = listed->n_rows;
    sluice__row_listed__free_unpacked(listed, NULL);
    return count == 0;
}

static void
bans_are_kept_until_they_end(void)
{
    struct kit *kit = kit_new();
    Sluice__RowGet get = SLUICE__ROW_GET__INIT;
    Sluice__Ban *ban;
    CU_ASSERT_EQUAL(put_ban(kit, SLUICE__BAN_KIND__BAN_ADDRESS, "10.1.2.3/8", 0), OK);
    CU_ASSERT_EQUAL(put_ban(kit, SLUICE__BAN_KIND__BAN_ADDRESS, "nowhere", 0), ERR_INVALID);
    CU_ASSERT_EQUAL(put_ban(kit, SLUICE__BAN_KIND__BAN_USER, "eve", clock_wall_ms() + 10), OK);
    kit_restart_store(kit);
    get.name = TEXT("address:10.0.0.0/8");
    CU_ASSERT_EQUAL_FATAL(kit_call(kit, CALL_BAN_GET, &get), OK);
    ban = sluice__ban__unpack(NULL, kit->answer.len, kit->answer.bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(ban);
    CU_ASSERT_STRING_EQUAL(ban->reason, "a test");
    sluice__ban__free_unpacked(ban, NULL);
    CU_ASSERT_EQUAL(delete_row(kit, CALL_BAN_DELETE, "address:10.0.0.0/8"), OK);
    CU_ASSERT_TRUE(kit_wait(kit, no_ban_is_left));
    kit_free(kit);
}

static Sluice__KeyPutDone *
put_key(struct kit *kit, const char *name, uint64_t until_ms, bool new_secret)
{
    static char *roles[] = {TEXT("ADMIN")};
    Sluice__KeyPut put = SLUICE__KEY_PUT__INIT;
    Sluice__KeyPutDone *done;
    put.name = TEXT(name);
    put.roles = roles;
    put.n_roles = 1;
    put.until_ms = until_ms;
    put.new_secret = new_secret;
    CU_ASSERT_EQUAL_FATAL(kit_call(kit, CALL_KEY_PUT, &put), OK);
    done = sluice__key_put_done__unpack(NULL, kit->answer.len, kit->answer.bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(done);
    return done;
}

static enum err
verify_key(struct kit *kit, const char *secret, const char *name)
{
    Sluice__KeyVerify verify = SLUICE__KEY_VERIFY__INIT;
    Sluice__Key *key;
    enum err err;
    verify.secret = TEXT(secret);
    err = kit_call(kit, CALL_KEY_VERIFY, &verify);
    if (err != OK)
        return err;
    key = sluice__key__unpack(NULL, kit->answer.len, kit->answer.bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(key);
    CU_ASSERT_STRING_EQUAL(key->name, name);
    CU_ASSERT_EQUAL(key->n_roles, 1);
    sluice__key__free_unpacked(key, NULL);
    return OK;
}

static void
a_key_is_known_by_its_secret_while_it_lasts(void)
{
    struct kit *kit = kit_new();
    Sluice__KeyPutDone *first = put_key(kit, "ci", 0, false);
    Sluice__KeyPutDone *other = put_key(kit, "old", 1, false);
    Sluice__KeyPutDone *again;
    CU_ASSERT_EQUAL(strlen(first->secret), 43);
    CU_ASSERT_EQUAL(verify_key(kit, first->secret, "ci"), OK);
    CU_ASSERT_EQUAL(verify_key(kit, other->secret, "old"), ERR_DENIED);
    CU_ASSERT_EQUAL(verify_key(kit, "", ""), ERR_DENIED);
    again = put_key(kit, "ci", 0, false); /* an edit: the secret stays */
    CU_ASSERT_STRING_EQUAL(again->secret, "");
    CU_ASSERT_FALSE(again->created);
    sluice__key_put_done__free_unpacked(again, NULL);
    kit_restart_store(kit);
    CU_ASSERT_EQUAL(verify_key(kit, first->secret, "ci"), OK);
    again = put_key(kit, "ci", 0, true);
    CU_ASSERT_EQUAL(verify_key(kit, first->secret, "ci"), ERR_DENIED);
    CU_ASSERT_EQUAL(verify_key(kit, again->secret, "ci"), OK);
    CU_ASSERT_EQUAL(delete_row(kit, CALL_KEY_DELETE, "ci"), OK);
    CU_ASSERT_EQUAL(verify_key(kit, again->secret, "ci"), ERR_DENIED);
    sluice__key_put_done__free_unpacked(first, NULL);
    sluice__key_put_done__free_unpacked(other, NULL);
    sluice__key_put_done__free_unpacked(again, NULL);
    kit_free(kit);
}

static Sluice__User *
get_user(struct kit *kit, const char *name)
{
    Sluice__UserGet get = SLUICE__USER_GET__INIT;
    Sluice__User *user;
    get.name = TEXT(name);
    CU_ASSERT_EQUAL_FATAL(kit_call(kit, CALL_USER_GET, &get), OK);
    user = sluice__user__unpack(NULL, kit->answer.len, kit->answer.bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(user);
    return user;
}

static void
a_user_keeps_what_an_edit_leaves_out(void)
{
    static char *roles[] = {TEXT("USER")};
    struct kit *kit = kit_new();
    Sluice__UserPut put = SLUICE__USER_PUT__INIT;
    Sluice__User *user;
    put_user(kit, "ann", "pw", OK);
    put.name = TEXT("ann");
    put.rules = TEXT("allow all %u/#");
    put.has_rules = true;
    put.roles = roles;
    put.n_roles = 1;
    put.actor = TEXT("bob");
    CU_ASSERT_EQUAL(kit_call(kit, CALL_USER_PUT, &put), OK);
    put.rules = TEXT("allow everything");
    CU_ASSERT_EQUAL(kit_call(kit, CALL_USER_PUT, &put), ERR_INVALID);
    put.rules = TEXT("");
    put.has_rules = false;
    put.n_roles = 0;
    put.keep_roles = true;
    put.password = TEXT("other");
    put.has_password = true;
    CU_ASSERT_EQUAL(kit_call(kit, CALL_USER_PUT, &put), OK);
    user = get_user(kit, "ann");
    CU_ASSERT_STRING_EQUAL(user->rules, "allow all %u/#");
    CU_ASSERT_EQUAL_FATAL(user->n_roles, 1);
    CU_ASSERT_STRING_EQUAL(user->roles[0], "USER");
    put.has_if_revision = true;
    put.if_revision = user->revision - 1;
    CU_ASSERT_EQUAL(kit_call(kit, CALL_USER_PUT, &put), ERR_CONFLICT);
    put.if_revision = user->revision;
    put.keep_roles = false;
    CU_ASSERT_EQUAL(kit_call(kit, CALL_USER_PUT, &put), OK);
    sluice__user__free_unpacked(user, NULL);
    user = get_user(kit, "ann");
    CU_ASSERT_EQUAL(user->n_roles, 0);
    CU_ASSERT(user->revision > put.if_revision);
    sluice__user__free_unpacked(user, NULL);
    expect_audit(kit,
                 "4 bob user.put ann: password; roles\n3 bob user.put ann: password\n"
                 "2 bob user.put ann: roles USER; 1 rules\n1  user.put ann: password; roles\n");
    kit_free(kit);
}

static void
the_audit_is_bounded_and_goes_on_after_a_restart(void)
{
    struct kit *kit = kit_new();
    Sluice__AuditAppend append = SLUICE__AUDIT_APPEND__INIT;
    Sluice__AuditList get = SLUICE__AUDIT_LIST__INIT;
    Sluice__AuditListed *listed;
    unsigned i;
    CU_ASSERT_EQUAL(kit_call(kit, CALL_AUDIT_APPEND, &append), ERR_INVALID);
    append.actor = TEXT("ann");
    append.what = TEXT("client.disconnect");
    append.subject = TEXT("c1");
    for (i = 0; i < 130; i++) {
        CU_ASSERT_EQUAL(kit_call(kit, CALL_AUDIT_APPEND, &append), OK);
        if (i == 110)
            kit_restart_store(kit);
    }
    get.limit = 7;
    CU_ASSERT_EQUAL_FATAL(kit_call(kit, CALL_AUDIT_LIST, &get), OK);
    listed = sluice__audit_listed__unpack(NULL, kit->answer.len, kit->answer.bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(listed);
    CU_ASSERT_EQUAL(listed->first, 31);
    CU_ASSERT_EQUAL(listed->last, 130);
    CU_ASSERT_EQUAL_FATAL(listed->n_entries, 7);
    CU_ASSERT_EQUAL(listed->entries[0]->number, 130);
    CU_ASSERT_EQUAL(listed->entries[6]->number, 124);
    CU_ASSERT_EQUAL(listed->next, 123);
    sluice__audit_listed__free_unpacked(listed, NULL);
    get.oldest_first = true;
    get.from = 130;
    CU_ASSERT_EQUAL_FATAL(kit_call(kit, CALL_AUDIT_LIST, &get), OK);
    listed = sluice__audit_listed__unpack(NULL, kit->answer.len, kit->answer.bytes);
    CU_ASSERT_PTR_NOT_NULL_FATAL(listed);
    CU_ASSERT_EQUAL(listed->n_entries, 1);
    CU_ASSERT_EQUAL(listed->next, 0);
    sluice__audit_listed__free_unpacked(listed, NULL);
    kit_free(kit);
}

static unsigned
count_seen(const struct kit *kit, uint8_t type, size_t from)
{
    unsigned count = 0;
    size_t i;
    for (i = from; i < kit->seen_count; i++)
        count += kit->seen[i].type == type;
    return count;
}

static void
gateways_hear_of_roles_and_bans(void)
{
    struct kit *kit = kit_new();
    uint64_t revision;
    size_t from;
    CU_ASSERT_EQUAL(put_role(kit, "R", "allow all #", 0, &revision), OK);
    CU_ASSERT_EQUAL(put_ban(kit, SLUICE__BAN_KIND__BAN_USER, "eve", 0), OK);
    CU_ASSERT_EQUAL(delete_row(kit, CALL_ROLE_DELETE, "R"), OK);
    CU_ASSERT_EQUAL(put_role(kit, "S", "", 0, &revision), OK);
    await_seen(kit, 4);
    CU_ASSERT_EQUAL(count_seen(kit, FEED_ROLE, 0), 3);
    CU_ASSERT_EQUAL(count_seen(kit, FEED_BAN, 0), 1);
    CU_ASSERT_EQUAL(kit->seen[0].flags, 1);
    CU_ASSERT_STRING_EQUAL(kit->seen[0].payload, "R=allow all #");
    CU_ASSERT_EQUAL(kit->seen[2].flags, 0);
    from = kit->seen_count;
    kit->notes_access = true;
    kit_restart_store(kit);
    await_seen(kit, from + 4);
    CU_ASSERT_EQUAL(kit->seen[from].type, FEED_ACCESS_RESET);
    CU_ASSERT_EQUAL(kit->seen[from + 1].type, FEED_ROLE);
    CU_ASSERT_EQUAL(kit->seen[from + 2].type, FEED_BAN);
    CU_ASSERT_EQUAL(kit->seen[from + 3].type, FEED_ACCESS_END);
    kit_free(kit);
}

static const struct cunit_case cases[] = {
    CUNIT_CASE(a_role_is_edited_under_its_revision),
    CUNIT_CASE(lists_come_in_pages),
    CUNIT_CASE(bans_are_kept_until_they_end),
    CUNIT_CASE(a_key_is_known_by_its_secret_while_it_lasts),
    CUNIT_CASE(a_user_keeps_what_an_edit_leaves_out),
    CUNIT_CASE(the_audit_is_bounded_and_goes_on_after_a_restart),
    CUNIT_CASE(gateways_hear_of_roles_and_bans),
};

CUNIT_MAIN("store_access", cases)
