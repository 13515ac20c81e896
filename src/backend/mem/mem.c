/* L4: `mem:[NAME][?collection=S.C][&caps=-mutate,-move,...]`: records as envelopes in an ordered map.
 *
 * The reference: every slot is a few plain lines under one reader-writer lock per engine. Handles with the same NAME in one
 * process share the engine; its data lives as long as a handle is open. Without NAME each handle is an engine of its own. */
#include "backend/mem/mem.h"

#include "backend/mem/skiplist.h"
#include "base/base.h"
#include "base/env.h"
#include "base/rules.h"
#include "base/sched.h"
#include "doc/clock.h"
#include "doc/codec.h"
#include "doc/doc.h"

#include <pthread.h>

typedef struct collection {
    struct collection *next;
    char *name;
    seg_skiplist records;
    seg_skiplist by_cas; /* CAS and key of each record, in that order; kept from the first feed on */
    bool indexed;
    seg_skiplist by_expiry; /* expiry and key of each live record that has one, in that order */
} collection;

typedef struct engine {
    struct engine *next; /* in the list of named ones */
    char *name;          /* "" for a private one */
    unsigned refs;
    pthread_rwlock_t lock;
    seg_clock clock;
    collection *collections;
} engine;

typedef struct mem {
    engine *engine;
    collection *collection;
    unsigned caps;
    const segue_env *env;
} mem;

static pthread_mutex_t engines_lock = PTHREAD_MUTEX_INITIALIZER;
static engine *engines;

/* ---- open and close ---- */

static const struct {
    const char *name;
    unsigned bit;
} cap_names[] = {
    {"mutate", SEGUE_CAP_MUTATE},     {"move", SEGUE_CAP_MOVE},       {"write_many", SEGUE_CAP_WRITE_MANY},
    {"keep_cas", SEGUE_CAP_KEEP_CAS}, {"flags", SEGUE_CAP_FLAGS},     {"write_id", SEGUE_CAP_WRITE_ID},
    {"changes", SEGUE_CAP_CHANGES},   {"expired", SEGUE_CAP_EXPIRED}, {"cas_macros", SEGUE_CAP_CAS_MACROS},
};
enum { N_CAPS = sizeof cap_names / sizeof cap_names[0] };

/* "-mutate,-move": all capabilities but these. */
static segue_status parse_caps(const char *text, unsigned *ret_caps, segue_call *call)
{
    unsigned caps = 0;
    for (size_t i = 0; i < N_CAPS; i++) caps |= cap_names[i].bit;
    for (const char *at = text; at && *at;) {
        size_t n = strcspn(at, ","), i = 0;
        while (i < N_CAPS &&
               !(n == strlen(cap_names[i].name) + 1 && at[0] == '-' && memcmp(at + 1, cap_names[i].name, n - 1) == 0))
            i++;
        if (i == N_CAPS)
            return segue_fail(call, SEGUE_INVALID_URL, "mem: caps=%s: \"%.*s\" is not a capability with a minus", text,
                              (int)n, at);
        caps &= ~cap_names[i].bit;
        at += n + (at[n] == ',');
    }
    *ret_caps = caps;
    return SEGUE_OK;
}

static engine *find_or_make_engine(const char *name)
{
    for (engine *e = name[0] ? engines : NULL; e; e = e->next)
        if (strcmp(e->name, name) == 0) {
            e->refs++;
            return e;
        }
    engine *e = seg_alloc_zero(sizeof *e);
    char *copy = seg_strdup(name);
    if (!e || !copy || pthread_rwlock_init(&e->lock, NULL) != 0) {
        seg_free(e);
        seg_free(copy);
        return NULL;
    }
    e->name = copy;
    e->refs = 1;
    if (name[0]) {
        e->next = engines;
        engines = e;
    }
    return e;
}

static collection *find_or_make_collection(engine *e, const char *name)
{
    for (collection *c = e->collections; c; c = c->next)
        if (strcmp(c->name, name) == 0) return c;
    collection *c = seg_alloc_zero(sizeof *c);
    char *copy = seg_strdup(name);
    if (!c || !copy) {
        seg_free(c);
        seg_free(copy);
        return NULL;
    }
    c->name = copy;
    c->next = e->collections;
    e->collections = c;
    return c;
}

static void release(engine *e)
{
    if (--e->refs) return;
    for (engine **link = &engines; *link; link = &(*link)->next)
        if (*link == e) {
            *link = e->next;
            break;
        }
    for (collection *c = e->collections, *next; c; c = next) {
        next = c->next;
        seg_skiplist_free(&c->records);
        seg_skiplist_free(&c->by_cas);
        seg_skiplist_free(&c->by_expiry);
        seg_free(c->name);
        seg_free(c);
    }
    (void)pthread_rwlock_destroy(&e->lock); /* nobody holds it: this was the last handle */
    seg_free(e->name);
    seg_free(e);
}

static segue_status open_mem(void *self, const segue_open_args *args, segue_call *call)
{
    static const char *const known[] = {"collection", "caps", "reap", NULL};
    mem *m = self;
    const char *name = segue_url_param(args->url, "collection");
    segue_status st = segue_url_only(args->url, known, call);
    if (st == SEGUE_OK) st = parse_caps(segue_url_param(args->url, "caps"), &m->caps, call);
    if (st != SEGUE_OK) return st;
    m->env = args->env;
    pthread_mutex_lock(&engines_lock);
    m->engine = find_or_make_engine(segue_url_path(args->url));
    if (m->engine) {
        pthread_rwlock_wrlock(&m->engine->lock);
        m->collection = find_or_make_collection(m->engine, name ? name : "_default._default");
        pthread_rwlock_unlock(&m->engine->lock);
        if (!m->collection) release(m->engine);
    }
    pthread_mutex_unlock(&engines_lock);
    return m->collection ? SEGUE_OK : segue_fail(call, SEGUE_NO_MEMORY, "out of memory for a store");
}

static void close_mem(void *self)
{
    mem *m = self;
    pthread_mutex_lock(&engines_lock);
    release(m->engine);
    pthread_mutex_unlock(&engines_lock);
}

static unsigned caps(const void *self) { return ((const mem *)self)->caps; }

static bool same(const void *self, const void *other)
{
    return ((const mem *)self)->collection == ((const mem *)other)->collection;
}

/* ---- records ---- */

typedef struct found {
    segue_record rec;
    segue_xattr slots[SEGUE_XATTRS_MAX];
} found;

/* Under the lock: the record of a node, valid until it is unlocked. */
static void read_node(const seg_node *node, found *f)
{
    segue_status st = seg_envelope_decode(segue_bytes(node->value, node->value_size), f->slots, &f->rec);
    seg_assert(st == SEGUE_OK); /* it was encoded here */
    f->rec.key = seg_node_key(node);
}

/* The same of the one with this key. False: there is none. */
static bool look_up(const mem *m, segue_slice key, found *f)
{
    const seg_node *node = seg_skiplist_find(&m->collection->records, key);
    if (node) read_node(node, f);
    return node != NULL;
}

/* ---- room: the memory that a write may take, so that several can have it before the first one is done ---- */

typedef struct room {
    segue_buf envelope;
    seg_node *record, *by_cas, *by_expiry;
} room;

static void room_free(room *r)
{
    segue_buf_free(&r->envelope);
    seg_free(r->record);
    seg_free(r->by_cas);
    seg_free(r->by_expiry);
}

static void rooms_free(room *rooms, size_t n)
{
    for (size_t i = 0; i < n && rooms; i++) room_free(&rooms[i]);
    seg_free(rooms);
}

/* ---- the orders of CAS and of expiry ---- */

enum { ORDER_NUMBER = 8, ORDER_KEY_MAX = ORDER_NUMBER + SEGUE_KEY_MAX };

/* The number in big-endian order of bytes, then the record's key. */
static segue_slice order_key(uint64_t number, segue_slice key, char out[ORDER_KEY_MAX])
{
    for (int i = 0; i < ORDER_NUMBER; i++) out[i] = (char)(number >> (56 - 8 * i));
    if (key.size) memcpy(out + ORDER_NUMBER, key.data, key.size);
    return segue_bytes(out, ORDER_NUMBER + key.size);
}

/* The record at a place in an order. */
static void look_up_in_order(const mem *m, const seg_node *node, found *f)
{
    segue_slice at = seg_node_key(node);
    bool there = look_up(m, segue_bytes(at.data + ORDER_NUMBER, at.size - ORDER_NUMBER), f);
    seg_assert(there);
}

/* False: out of memory. */
static bool order_add(seg_skiplist *order, uint64_t number, segue_slice key, seg_node **spare)
{
    char bytes[ORDER_KEY_MAX];
    return seg_skiplist_put(order, order_key(number, key, bytes), NULL, 0, spare);
}

static void order_remove(seg_skiplist *order, uint64_t number, segue_slice key)
{
    char bytes[ORDER_KEY_MAX];
    seg_skiplist_remove(order, order_key(number, key, bytes));
}

static uint32_t expiry_of(const segue_record *rec) { return rec->is_tombstone ? 0 : rec->expiry; }

/* Take out the places of rec that `but` (of the same key; may be NULL) has not. */
static void index_remove(collection *c, const segue_record *rec, const segue_record *but)
{
    uint32_t expiry = expiry_of(rec);
    if (c->indexed && !(but && but->cas == rec->cas)) order_remove(&c->by_cas, rec->cas, rec->key);
    if (expiry && !(but && expiry_of(but) == expiry)) order_remove(&c->by_expiry, expiry, rec->key);
}

/* Put rec in its places, some of which `old` may have already. False: out of memory, everything is as it was. */
static bool index_add(collection *c, const segue_record *rec, const segue_record *old, room *r)
{
    segue_record without = *rec;
    without.expiry = 0;
    if (c->indexed && !order_add(&c->by_cas, rec->cas, rec->key, &r->by_cas)) return false;
    if (expiry_of(rec) == 0 || order_add(&c->by_expiry, rec->expiry, rec->key, &r->by_expiry)) return true;
    index_remove(c, &without, old);
    return false;
}

/* Under the write lock: all that storing rec can take. False: out of memory. */
static bool room_make(collection *c, const segue_record *rec, room *r)
{
    size_t key = rec->key.size, order = ORDER_NUMBER + key;
    bool expires = expiry_of(rec) != 0;
    r->record = seg_skiplist_spare(&c->records, key);
    if (c->indexed) r->by_cas = seg_skiplist_spare(&c->by_cas, order);
    if (expires) r->by_expiry = seg_skiplist_spare(&c->by_expiry, order);
    return r->record && (!c->indexed || r->by_cas) && (!expires || r->by_expiry) &&
           segue_buf_reserve(&r->envelope, seg_envelope_size(rec)) == SEGUE_OK;
}

/* Under the write lock. */
static segue_status build_index(const mem *m)
{
    collection *c = m->collection;
    found f;
    seg_node *none = NULL;
    segue_status st = SEGUE_OK;
    c->indexed = true;
    for (const seg_node *node = c->records.heads[0]; node && st == SEGUE_OK; node = node->next[0]) {
        read_node(node, &f);
        if (!order_add(&c->by_cas, f.rec.cas, f.rec.key, &none)) st = SEGUE_NO_MEMORY;
    }
    if (st != SEGUE_OK) {
        seg_skiplist_free(&c->by_cas);
        c->indexed = false;
    }
    return st;
}

/* ---- writing ---- */

/* Under the write lock: the CAS that p asks for. */
static segue_status choose_cas(mem *m, const segue_put *p, uint64_t *ret_cas, segue_call *call)
{
    uint64_t least = p->keep_cas ? p->rec.cas : p->cas_floor;
    if (least >= SEG_CAS_END || (p->keep_cas && least == 0))
        return segue_fail(call, SEGUE_INVALID_ARGUMENT, "mem: %llu is not a CAS that can be kept, nor one below others",
                          (unsigned long long)least);
    if (p->keep_cas) seg_clock_raise(&m->engine->clock, least);
    *ret_cas = p->keep_cas ? least : seg_clock_next(&m->engine->clock, m->env, least);
    return SEGUE_OK;
}

/* Under the write lock: store p->rec with the CAS that p asks for; its condition holds. `prepared`: NULL, or room_make's, and
 * then it does not run out of memory. */
static segue_status store(mem *m, const segue_put *p, room *prepared, uint64_t *ret_cas, segue_call *call)
{
    SEG_CLEANUP(room_free) room own = {0};
    room *r = prepared ? prepared : &own;
    segue_record out = p->rec;
    const segue_record *rec = &p->rec;
    collection *c = m->collection;
    found old;
    if (rec->flags && !(m->caps & SEGUE_CAP_FLAGS))
        return segue_fail(call, SEGUE_UNSUPPORTED, "mem: this store keeps no user flags");
    if (!(m->caps & SEGUE_CAP_WRITE_ID)) out.write_id = 0;
    segue_status st = choose_cas(m, p, &out.cas, call);
    if (st != SEGUE_OK) return st;
    segue_expand_cas(&out, p->cas_places, p->n_cas_places, out.cas);
    bool has_places = c->indexed || c->by_expiry.heads[0];
    const segue_record *before = has_places && look_up(m, rec->key, &old) ? &old.rec : NULL;
    if (seg_envelope_encode(&out, &r->envelope) != SEGUE_OK || !index_add(c, &out, before, r))
        return segue_fail(call, SEGUE_NO_MEMORY, "mem: out of memory for a record");
    if (!seg_skiplist_put(&c->records, rec->key, r->envelope.data, r->envelope.size, &r->record)) {
        /* The record is new: there was no memory for its node. */
        if (SEG_RULE(PLACE_IS_GIVEN_BACK)) index_remove(c, &out, before);
        return segue_fail(call, SEGUE_NO_MEMORY, "mem: out of memory for a record");
    }
    if (before) index_remove(c, before, &out);
    r->envelope.data = NULL; /* the list owns it now */
    r->envelope.size = r->envelope.capacity = 0;
    *ret_cas = out.cas;
    return SEGUE_OK;
}

/* Say why a condition does not hold. */
static segue_status refused(segue_slice key, segue_status st, segue_call *call)
{
    char quoted[SEG_QUOTED_MAX];
    (void)seg_quote(key, quoted); /* it is `quoted` */
    if (st == SEGUE_EXISTS) return segue_fail(call, st, "mem: there is a record %s already", quoted);
    if (st == SEGUE_NOT_FOUND) return segue_fail(call, st, "mem: there is no record %s", quoted);
    return segue_fail(call, st, "mem: %s has another CAS than expected", quoted);
}

static segue_status get(void *self, segue_slice key, segue_doc *doc, segue_call *call)
{
    mem *m = self;
    found f;
    pthread_rwlock_rdlock(&m->engine->lock);
    segue_status st = look_up(m, key, &f) ? SEGUE_OK : SEGUE_NOT_FOUND;
    if (st == SEGUE_OK && call->no_body) f.rec.body.size = 0;
    if (st == SEGUE_OK) st = segue_doc_assign(doc, &f.rec);
    pthread_rwlock_unlock(&m->engine->lock);
    return st == SEGUE_NOT_FOUND ? refused(key, st, call) : st;
}

/* With the rule off: somebody else may write between the look and the write. */
static void let_others_in(mem *m)
{
    pthread_rwlock_unlock(&m->engine->lock);
    SEG_SCHED(WRITE, m->engine);
    pthread_rwlock_wrlock(&m->engine->lock);
}

static segue_status put_locked(mem *m, const segue_put *p, room *prepared, uint64_t *ret_cas, segue_call *call)
{
    found f;
    segue_put out = *p;
    segue_slice key = p->rec.key;
    bool there = look_up(m, key, &f) && (!f.rec.is_tombstone || SEG_RULE(TOMBSTONE_IS_RECORD));
    if (p->keep_cas && !(m->caps & SEGUE_CAP_KEEP_CAS))
        return segue_fail(call, SEGUE_UNSUPPORTED, "mem: this store cannot keep a given CAS");
    segue_status st = seg_put_judge(p, there ? f.rec.cas : 0);
    if (st != SEGUE_OK) return refused(key, st, call);
    if (!SEG_RULE(LOOK_IN_TRANSACTION)) let_others_in(m);
    if (there && f.rec.cas > out.cas_floor) out.cas_floor = f.rec.cas;
    if (p->condition == SEGUE_IF_ANY && !p->keep_cas) out.rec.revision = there ? f.rec.revision + 1 : 1;
    return store(m, &out, prepared, ret_cas, call);
}

static segue_status put(void *self, const segue_put *p, uint64_t *ret_cas, segue_call *call)
{
    mem *m = self;
    pthread_rwlock_wrlock(&m->engine->lock);
    segue_status st = put_locked(m, p, NULL, ret_cas, call);
    pthread_rwlock_unlock(&m->engine->lock);
    return st;
}

static segue_status erase_locked(mem *m, segue_slice key, uint64_t cas, segue_call *call)
{
    found f;
    segue_status st = seg_erase_judge(cas, look_up(m, key, &f) ? f.rec.cas : 0);
    if (st != SEGUE_OK) return refused(key, st, call);
    index_remove(m->collection, &f.rec, NULL);
    seg_skiplist_remove(&m->collection->records, key);
    return SEGUE_OK;
}

static segue_status erase(void *self, segue_slice key, uint64_t cas, segue_call *call)
{
    mem *m = self;
    pthread_rwlock_wrlock(&m->engine->lock);
    segue_status st = erase_locked(m, key, cas, call);
    pthread_rwlock_unlock(&m->engine->lock);
    return st;
}

/* ---- scan ---- */

static bool beyond(segue_slice key, const segue_bounds *b)
{
    if (!b->to.data) return false;
    int c = segue_slice_compare(key, b->to);
    return b->to_open ? c >= 0 : c > 0;
}

static void leave_key(segue_record *rec)
{
    rec->n_xattrs = 0;
    rec->body.size = 0;
}

static segue_status scan_locked(const mem *m, const segue_bounds *b, segue_page *page)
{
    bool full = false;
    found f;
    for (const seg_node *node =
             seg_skiplist_seek(&m->collection->records, b->from, b->from_open && SEG_RULE(PAGE_AFTER_KEY));
         node && !beyond(seg_node_key(node), b); node = node->next[0]) {
        if (full) {
            page->more = SEG_RULE(PAGE_SAYS_MORE);
            return SEGUE_OK;
        }
        read_node(node, &f);
        if (f.rec.is_tombstone && !b->tombstones) continue;
        if (b->keys_only) leave_key(&f.rec);
        segue_status st = segue_page_add(page, &f.rec, &full);
        if (st != SEGUE_OK) return st;
    }
    return SEGUE_OK;
}

static segue_status scan(void *self, const segue_bounds *b, segue_page *page, segue_call *call)
{
    mem *m = self;
    pthread_rwlock_rdlock(&m->engine->lock);
    segue_status st = scan_locked(m, b, page);
    pthread_rwlock_unlock(&m->engine->lock);
    return st == SEGUE_OK ? st : segue_fail(call, st, "mem: the scan was cut: %s", segue_status_text(st));
}

/* ---- changes: a CAS is given and its record stored under one hold of the write lock, so CASes become visible in order ---- */

static segue_status changes_locked(const mem *m, const segue_since *since, segue_page *page)
{
    char bytes[ORDER_KEY_MAX];
    bool full = false, after_key = since->key.data != NULL;
    found f;
    segue_slice from = after_key ? order_key(since->cas, since->key, bytes)
                                 : order_key(since->cas + 1, segue_str(""), bytes);
    for (const seg_node *node = seg_skiplist_seek(&m->collection->by_cas, from, after_key); node;
         node = node->next[0]) {
        if (full) {
            page->more = true;
            return SEGUE_OK;
        }
        look_up_in_order(m, node, &f);
        if (since->keys_only) leave_key(&f.rec);
        segue_status st = segue_page_add(page, &f.rec, &full);
        if (st != SEGUE_OK) return st;
    }
    return SEGUE_OK;
}

static segue_status changes(void *self, const segue_since *since, segue_page *page, segue_call *call)
{
    mem *m = self;
    segue_status st = SEGUE_OK;
    pthread_rwlock_rdlock(&m->engine->lock);
    if (!m->collection->indexed) {
        pthread_rwlock_unlock(&m->engine->lock);
        pthread_rwlock_wrlock(&m->engine->lock);
        if (!m->collection->indexed) st = build_index(m);
    }
    if (st == SEGUE_OK) st = changes_locked(m, since, page);
    pthread_rwlock_unlock(&m->engine->lock);
    return st == SEGUE_OK ? st : segue_fail(call, st, "mem: the changes cannot be read: %s", segue_status_text(st));
}

static segue_status highest(void *self, uint64_t at_least, uint64_t *ret_cas, segue_call *call)
{
    mem *m = self;
    if (at_least >= SEG_CAS_END)
        return segue_fail(call, SEGUE_INVALID_ARGUMENT, "mem: the clock cannot be raised to %llu",
                          (unsigned long long)at_least);
    pthread_rwlock_rdlock(&m->engine->lock); /* nobody has a CAS whose record is not stored yet */
    seg_clock_raise(&m->engine->clock, at_least);
    *ret_cas = atomic_load(&m->engine->clock.highest);
    pthread_rwlock_unlock(&m->engine->lock);
    return SEGUE_OK;
}

/* ---- what has expired ---- */

static segue_status expired_locked(const mem *m, uint64_t until, segue_page *page, uint32_t *ret_next)
{
    bool full = false;
    found f;
    for (const seg_node *node = m->collection->by_expiry.heads[0]; node; node = node->next[0]) {
        look_up_in_order(m, node, &f);
        if (f.rec.expiry > until) {
            *ret_next = f.rec.expiry;
            return SEGUE_OK;
        }
        if (full) {
            page->more = true;
            return SEGUE_OK;
        }
        f.rec.body.size = 0;
        segue_status st = segue_page_add(page, &f.rec, &full);
        if (st != SEGUE_OK) return st;
    }
    return SEGUE_OK;
}

static segue_status expired(void *self, uint64_t until, segue_page *page, uint32_t *ret_next, segue_call *call)
{
    mem *m = self;
    pthread_rwlock_rdlock(&m->engine->lock);
    segue_status st = expired_locked(m, until, page, ret_next);
    pthread_rwlock_unlock(&m->engine->lock);
    return st == SEGUE_OK ? st : segue_fail(call, st, "mem: what has expired cannot be read");
}

/* ---- mutate, move, batches ---- */

static segue_status mutate_locked(mem *m, segue_slice key, const segue_mutation *mutation, uint64_t write_id,
                                  uint64_t floor, bool require_record, segue_outcome *out, segue_doc *ret_doc,
                                  segue_applied *a, segue_call *call)
{
    found f;
    bool there = look_up(m, key, &f);
    if (!there && require_record) return SEGUE_NO_RECORD;
    segue_status st = segue_apply(key, there ? &f.rec : NULL, mutation, seg_wall_s(m->env), a, call);
    if (st != SEGUE_OK) return st;
    if (a->write) a->rec.write_id = write_id;
    if (ret_doc && (there || a->write)) st = segue_doc_assign(ret_doc, &a->rec);
    if (there && f.rec.cas > floor) floor = f.rec.cas;
    segue_put p = {.rec = a->rec, .cas_floor = floor, .cas_places = a->cas_places, .n_cas_places = a->n_cas_places};
    if (st == SEGUE_OK && a->write) st = store(m, &p, NULL, &a->rec.cas, call);
    if (st != SEGUE_OK) return st;
    if (ret_doc) {
        ret_doc->rec.cas = a->rec.cas;
        segue_expand_cas(&ret_doc->rec, a->cas_places, a->n_cas_places, a->rec.cas);
    }
    *out = (segue_outcome){a->rec.cas, a->rec.revision, a->counter, a->write};
    return SEGUE_OK;
}

static segue_status mutate(void *self, segue_slice key, const segue_mutation *mutation, uint64_t write_id,
                           uint64_t cas_floor, bool require_record, segue_doc *base, segue_outcome *ret_outcome,
                           segue_doc *ret_doc, segue_call *call)
{
    mem *m = self;
    (void)base; /* only a dual store reads something for the loop */
    SEG_AUTO(segue_applied) applied = {0};
    pthread_rwlock_wrlock(&m->engine->lock);
    segue_status st = mutate_locked(m, key, mutation, write_id, cas_floor, require_record, ret_outcome, ret_doc,
                                    &applied, call);
    pthread_rwlock_unlock(&m->engine->lock);
    return st;
}

/* The room of each of `n` writes is there before the first one is done, so that it is all of them or none. NULL: out of
 * memory. */
static room *rooms_new(size_t n) { return seg_alloc_zero(n * sizeof(room)); }

static segue_status no_room(segue_call *call)
{
    return segue_fail(call, SEGUE_NO_MEMORY, "mem: out of memory for a batch");
}

static segue_status move_one(mem *from, mem *to, segue_move *move, room *prepared, segue_call *call)
{
    found f, t;
    uint64_t cas = 0;
    move->moved = false;
    segue_status st = seg_erase_judge(move->cas, look_up(from, move->key, &f) ? f.rec.cas : 0);
    if (st != SEGUE_OK) return st;
    if (!look_up(to, move->key, &t)) {
        segue_put p = {.rec = f.rec, .keep_cas = true};
        st = store(to, &p, prepared, &cas, call);
        if (st != SEGUE_OK) return st;
        move->moved = true;
    }
    if (move->keep) return SEGUE_OK;
    index_remove(from->collection, &f.rec, NULL);
    seg_skiplist_remove(&from->collection->records, move->key);
    return SEGUE_OK;
}

static bool room_for_move(const mem *from, mem *to, const segue_move *move, room *r)
{
    found f;
    return !look_up(from, move->key, &f) || room_make(to->collection, &f.rec, r);
}

static segue_status move(void *self, void *to, segue_move *moves, size_t n, segue_call *call)
{
    mem *from = self, *target = to;
    if (from->engine != target->engine || !(target->caps & SEGUE_CAP_KEEP_CAS))
        return segue_fail(call, SEGUE_UNSUPPORTED, "mem: the two collections are in different stores");
    if (from->collection == target->collection)
        return segue_fail(call, SEGUE_INVALID_ARGUMENT, "mem: records cannot be moved to where they are");
    room *rooms = rooms_new(n);
    bool ok = rooms != NULL;
    pthread_rwlock_wrlock(&from->engine->lock);
    for (size_t i = 0; i < n && ok; i++) ok = room_for_move(from, target, &moves[i], &rooms[i]);
    for (size_t i = 0; i < n && ok; i++) moves[i].status = move_one(from, target, &moves[i], &rooms[i], call);
    pthread_rwlock_unlock(&from->engine->lock);
    rooms_free(rooms, n);
    return ok ? SEGUE_OK : no_room(call);
}

static bool room_for_write(mem *m, const segue_write *w, room *r)
{
    return w->op != SEGUE_WRITE_PUT || room_make(m->collection, &w->put.rec, r);
}

static segue_status write_one(mem *m, segue_write *w, room *prepared, segue_call *call)
{
    return w->op == SEGUE_WRITE_PUT ? put_locked(m, &w->put, prepared, &w->cas, call)
                                    : erase_locked(m, w->put.rec.key, w->put.if_cas, call);
}

static segue_status write_many(void *self, segue_write *writes, size_t n, segue_call *call)
{
    mem *m = self;
    room *rooms = rooms_new(n);
    bool ok = rooms != NULL;
    pthread_rwlock_wrlock(&m->engine->lock);
    for (size_t i = 0; i < n && ok; i++) ok = room_for_write(m, &writes[i], &rooms[i]);
    for (size_t i = 0; i < n && ok; i++) writes[i].status = write_one(m, &writes[i], &rooms[i], call);
    pthread_rwlock_unlock(&m->engine->lock);
    rooms_free(rooms, n);
    return ok ? SEGUE_OK : no_room(call);
}

const segue_backend seg_backend_mem = {
    .abi = SEGUE_BACKEND_ABI,
    .table_size = sizeof(segue_backend),
    .self_size = sizeof(mem),
    .scheme = "mem",
    .open = open_mem,
    .close = close_mem,
    .caps = caps,
    .get = get,
    .put = put,
    .erase = erase,
    .scan = scan,
    .mutate = mutate,
    .move = move,
    .write_many = write_many,
    .same = same,
    .highest = highest,
    .changes = changes,
    .expired = expired,
};
