/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A ring of pieces, each a bitmap of 4096 tokens, indexed by piece number modulo the ring. At most
 * 257 consecutive pieces are in use (the span, not aligned), so a ring of 512 never collides.
 */
#include "proto/token_set.h"

#include "common/cursor.h"
#include "common/mem.h"

enum {
    PIECE_BITS = 4096,
    PIECE_WORDS = PIECE_BITS / 64,
    RING = 512,
    LIST_MAX =
        255, /* tokens of a piece that are written as a list: at most as long as the bitmap */
    KIND_FULL = 0,
    KIND_BITMAP = 1,
    KIND_LIST = 2,
    VERSION = 1
};

struct piece {
    uint32_t count;
    uint64_t words[PIECE_WORDS];
};

struct token_set {
    uint64_t floor;
    uint64_t end; /* above every token seen; not below floor */
    size_t count;
    size_t pieces;
    struct piece *spare; /* one kept, so that a moving window does not allocate */
    struct piece *ring[RING];
};

struct token_set *
token_set_new(void)
{
    struct token_set *set = mem_zalloc(sizeof(*set));
    set->floor = 1;
    set->end = 1;
    return set;
}

void
token_set_free(struct token_set *set)
{
    size_t i;
    if (set == NULL)
        return;
    for (i = 0; i < RING; i++)
        mem_free(set->ring[i]);
    mem_free(set->spare);
    mem_free(set);
}

static struct piece **
piece_of(struct token_set *set, uint64_t token)
{
    return &set->ring[token / PIECE_BITS % RING];
}

static struct piece *
piece_new(struct token_set *set)
{
    struct piece *piece = set->spare;
    set->pieces++;
    if (piece == NULL)
        return mem_zalloc(sizeof(*piece));
    set->spare = NULL;
    memset(piece, 0, sizeof(*piece));
    return piece;
}

static void
piece_drop(struct token_set *set, struct piece **at)
{
    if (*at == NULL)
        return;
    set->count -= (*at)->count;
    set->pieces--;
    if (set->spare == NULL)
        set->spare = *at;
    else
        mem_free(*at);
    *at = NULL;
}

bool
token_set_has(const struct token_set *set, uint64_t token)
{
    const struct piece *piece;
    if (token < set->floor)
        return true;
    if (token >= set->end)
        return false;
    piece = set->ring[token / PIECE_BITS % RING];
    return piece != NULL && (piece->words[token % PIECE_BITS / 64] >> (token % 64) & 1) != 0;
}

enum err
token_set_add(struct token_set *set, uint64_t token, bool *seen)
{
    struct piece **at;
    uint64_t *word;
    uint64_t bit = UINT64_C(1) << (token % 64);
    if (token == 0)
        return ERR_INVALID;
    if (token < set->floor) {
        *seen = true;
        return OK;
    }
    /* The very last number has no end behind it. */
    if (token - set->floor >= TOKEN_SET_SPAN || token == UINT64_MAX)
        return ERR_TOO_LARGE;
    at = piece_of(set, token);
    if (*at == NULL)
        *at = piece_new(set);
    word = &(*at)->words[token % PIECE_BITS / 64];
    *seen = (*word & bit) != 0;
    if (*seen)
        return OK;
    *word |= bit;
    (*at)->count++;
    set->count++;
    if (token >= set->end)
        set->end = token + 1;
    return OK;
}

void
token_set_raise(struct token_set *set, uint64_t floor)
{
    uint64_t first, last, number;
    if (floor <= set->floor)
        return;
    /* Pieces wholly below the new floor, of those that can exist. */
    first = set->floor / PIECE_BITS;
    last = floor / PIECE_BITS;
    if (last > (set->end - 1) / PIECE_BITS + 1)
        last = (set->end - 1) / PIECE_BITS + 1;
    for (number = first; number < last; number++)
        piece_drop(set, &set->ring[number % RING]);
    set->floor = floor;
    if (floor >= set->end) {
        piece_drop(set, piece_of(set, floor));
        set->end = floor;
    } else {
        struct piece *piece = *piece_of(set, floor);
        uint64_t offset = floor % PIECE_BITS;
        size_t i;
        if (piece == NULL)
            return;
        for (i = 0; i <= offset / 64; i++) {
            uint64_t gone = i < offset / 64 ? UINT64_MAX : (UINT64_C(1) << (offset % 64)) - 1;
            uint32_t n = (uint32_t)__builtin_popcountll(piece->words[i] & gone);
            piece->words[i] &= ~gone;
            piece->count -= n;
            set->count -= n;
        }
        if (piece->count == 0)
            piece_drop(set, piece_of(set, floor));
    }
}

uint64_t
token_set_floor(const struct token_set *set)
{
    return set->floor;
}

size_t
token_set_count(const struct token_set *set)
{
    return set->count;
}

size_t
token_set_bytes(const struct token_set *set)
{
    return sizeof(*set) + (set->pieces + (set->spare != NULL)) * sizeof(struct piece);
}

static void
piece_encode(const struct piece *piece, struct buf *out)
{
    size_t i;
    if (piece->count == PIECE_BITS) {
        buf_put_u8(out, KIND_FULL);
        return;
    }
    if (piece->count > LIST_MAX) {
        uint8_t *to;
        buf_put_u8(out, KIND_BITMAP);
        to = buf_reserve(out, PIECE_BITS / 8);
        if (to == NULL)
            return;
        for (i = 0; i < PIECE_BITS / 8; i++)
            to[i] = (uint8_t)(piece->words[i / 8] >> (i % 8 * 8));
        buf_commit(out, PIECE_BITS / 8);
        return;
    }
    buf_put_u8(out, KIND_LIST);
    buf_put_u8(out, (uint8_t)piece->count);
    for (i = 0; i < PIECE_WORDS; i++) {
        uint64_t left = piece->words[i];
        for (; left != 0; left &= left - 1)
            buf_put_u16(out, (uint16_t)(i * 64 + (size_t)__builtin_ctzll(left)));
    }
}

void
token_set_encode(const struct token_set *set, struct buf *out)
{
    uint64_t number;
    buf_put_u8(out, VERSION);
    buf_put_u64(out, set->floor);
    if (set->count == 0)
        return;
    for (number = set->floor / PIECE_BITS; number <= (set->end - 1) / PIECE_BITS; number++) {
        const struct piece *piece = set->ring[number % RING];
        if (piece == NULL)
            continue;
        buf_put_u64(out, number);
        piece_encode(piece, out);
    }
}

/* Reads one piece's tokens into the set; the rules that encode keeps are checked by the caller. */
static void
piece_decode(struct cursor *c, struct token_set *set, uint64_t number)
{
    uint64_t base = number * PIECE_BITS;
    uint8_t kind = cursor_u8(c);
    uint32_t i, n = kind == KIND_LIST ? cursor_u8(c) : PIECE_BITS;
    const uint8_t *bitmap = kind == KIND_BITMAP ? cursor_skip(c, PIECE_BITS / 8) : NULL;
    uint32_t last = UINT32_MAX;
    if (kind > KIND_LIST || n == 0)
        cursor_fail(c, ERR_MALFORMED);
    for (i = 0; i < n && c->err == OK; i++) {
        uint32_t offset = kind == KIND_LIST ? cursor_u16(c) : i;
        bool seen = false;
        if (c->err != OK || (bitmap != NULL && (bitmap[i / 8] >> (i % 8) & 1) == 0))
            continue;
        if (offset >= PIECE_BITS || (last != UINT32_MAX && offset <= last) ||
            base + offset < set->floor || token_set_add(set, base + offset, &seen) != OK || seen)
            cursor_fail(c, ERR_MALFORMED);
        last = offset;
    }
}

enum err
token_set_decode(struct slice bytes, struct token_set **out)
{
    struct cursor c = cursor_of(bytes);
    struct token_set *set = token_set_new();
    uint64_t last = 0;
    bool any = false;
    if (cursor_u8(&c) != VERSION)
        cursor_fail(&c, ERR_MALFORMED);
    set->floor = cursor_u64(&c);
    set->end = set->floor;
    if (set->floor == 0)
        cursor_fail(&c, ERR_MALFORMED);
    while (c.err == OK && cursor_left(&c) != 0) {
        uint64_t number = cursor_u64(&c);
        if (c.err != OK || (any && number <= last) || number < set->floor / PIECE_BITS ||
            number - set->floor / PIECE_BITS > TOKEN_SET_SPAN / PIECE_BITS) {
            cursor_fail(&c, ERR_MALFORMED);
            break;
        }
        piece_decode(&c, set, number);
        last = number;
        any = true;
    }
    if (cursor_end(&c) != OK) {
        token_set_free(set);
        return ERR_MALFORMED;
    }
    *out = set;
    return OK;
}
