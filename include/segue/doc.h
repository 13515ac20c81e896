/* Records, documents, mutations: what is stored, and what can be asked to change.
 *
 * A *record* is what a backend stores: a live document or a tombstone. A *mutation* names only what changes; what it
 * means on a given record is decided in one place for every store (src/doc/apply.c; docs/decisions.md names the rules). */
#ifndef SEGUE_DOC_H
#define SEGUE_DOC_H

#include <segue/bytes.h>
#include <segue/error.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Limits. A value past one is an error; nothing is ever truncated. They are those of Couchbase Server, so that data can
 * move there. */
enum {
    SEGUE_KEY_MAX = 250,                   /* bytes; at least 1; any bytes but NUL */
    SEGUE_BODY_MAX = 20 * 1024 * 1024,     /* bytes */
    SEGUE_XATTR_NAME_MAX = 15,             /* bytes; at least 1; UTF-8 */
    SEGUE_SYSTEM_XATTRS_MAX = 1024 * 1024, /* bytes, names and values of all system xattrs together */
    SEGUE_XATTRS_MAX = 64,                 /* xattrs of one record: a bound for decoders, far above any known use */
    SEGUE_PATH_MAX = 1024,                 /* bytes; at least 1; UTF-8 */
    SEGUE_PATH_COMPONENTS_MAX = 32,
    SEGUE_MACROS_MAX = 16,                 /* of one mutation */
    SEGUE_JSON_DEPTH_MAX = 512,            /* brackets in each other. What is deeper counts as no JSON: a body can be stored
                                              (is_json false where that is found out), an xattr cannot */
    SEGUE_JSON_DEPTH_AT_PATH_MAX = SEGUE_JSON_DEPTH_MAX - SEGUE_PATH_COMPONENTS_MAX - 1 /* 479: of a value that is set
                                              at a path, so that what comes out can be read */
};

/* An xattr: a name and a JSON text kept byte for byte. A name that begins with '_' is a system xattr (it survives
 * deletion on the tombstone), any other is a user xattr. None of . [ ] ` $ is part of a name: the first four make paths,
 * the last one makes virtual xattrs, which can be read (segue_xattrs_get) and not written. */
typedef struct segue_xattr {
    segue_slice name;
    segue_slice value;
} segue_xattr;

/* A record, all of it borrowed: valid as long as what it points into. */
typedef struct segue_record {
    segue_slice key;
    segue_slice body;          /* data NULL on a tombstone; an empty live body has data != NULL */
    const segue_xattr *xattrs; /* in byte order of name, no name twice */
    size_t n_xattrs;
    uint64_t cas;              /* never 0 in a stored record */
    uint64_t revision;         /* 1 at first, +1 with each mutation, goes on through deletion and resurrection */
    uint64_t write_id;         /* Segue's own: random, tells this write from any other; 0 where the engine keeps none */
    uint32_t expiry;           /* absolute Unix seconds, 0 none */
    uint32_t flags;            /* the user's */
    bool is_tombstone;
    bool is_json;
} segue_record;

/* The xattr with this name, or NULL. */
SEGUE_API const segue_xattr *segue_record_xattr(const segue_record *rec, segue_slice name);

/* A record that owns its bytes. Zero-initialise ({0}), use again and again: a read into one that is large enough
 * allocates nothing. Not thread-safe. Fields after rec are private. */
typedef struct segue_doc {
    segue_record rec;
    segue_buf bytes;
    segue_xattr *slots;
    size_t n_slots;
    unsigned char source; /* enum segue_source in backend.h */
} segue_doc;

/* Forget the record, keep the memory. */
SEGUE_API void segue_doc_clear(segue_doc *doc);
/* Give the memory back; doc is {0} afterwards. Legal on {0}. */
SEGUE_API void segue_doc_free(segue_doc *doc);
/* Copy rec and everything it points to into doc (rec may be part of doc). NO_MEMORY: doc is empty then. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_doc_assign(segue_doc *doc, const segue_record *rec);

/* ---- Mutations ---------------------------------------------------------------------------------------------- */

/* What must be so for the mutation to happen. An expired document counts as the tombstone it is. */
typedef enum segue_expect {
    SEGUE_EXPECT_ANY,       /* whatever is there */
    SEGUE_EXPECT_NOT_LIVE,  /* nothing or a tombstone; else EXISTS. This is what "CAS 0" means */
    SEGUE_EXPECT_LIVE,      /* a live document, whatever its CAS; else NOT_FOUND */
    SEGUE_EXPECT_CAS,       /* this CAS; else CAS_MISMATCH; nothing there: NOT_FOUND. A tombstone's body can neither be
                               written nor deleted under it, whatever its CAS (NOT_FOUND); its xattrs can be written */
    SEGUE_EXPECT_RECORD_CAS,/* this CAS, live or tombstone, and a body may be written over the tombstone */
    SEGUE_EXPECT_ABSENT     /* no record, not even a tombstone; else EXISTS */
} segue_expect;

typedef enum segue_body_op {
    SEGUE_BODY_KEEP,   /* on nothing at all: NOT_FOUND, unless SEGUE_M_AS_TOMBSTONE */
    SEGUE_BODY_SET,    /* live afterwards. Over a tombstone: exactly the xattrs of this mutation */
    SEGUE_BODY_DELETE, /* tombstone afterwards: body and user xattrs go, system xattrs stay. On a tombstone: NOT_FOUND */
    SEGUE_BODY_APPEND, /* to a live body; else NOT_FOUND */
    SEGUE_BODY_ADD     /* to a counter: unsigned 64-bit decimal text (zeros before it do no harm), modulo 2^64; else
                          NOT_A_NUMBER. Not live: stores `initial` if has_initial, else NOT_FOUND */
} segue_body_op;

typedef enum segue_expiry_op {
    SEGUE_EXPIRY_DEFAULT, /* none if the body is set, else kept */
    SEGUE_EXPIRY_NONE,
    SEGUE_EXPIRY_IN, /* seconds from now */
    SEGUE_EXPIRY_AT  /* absolute Unix seconds; one in the past expires at once */
} segue_expiry_op;

/* keep_if_live: a live document keeps what it has, op counts for a new one only. */
typedef struct segue_expiry {
    segue_expiry_op op;
    uint32_t seconds;
    bool keep_if_live;
} segue_expiry;

static inline segue_expiry segue_expiry_none(void)
{
    segue_expiry e = {SEGUE_EXPIRY_NONE, 0, false};
    return e;
}
static inline segue_expiry segue_expiry_keep(void)
{
    segue_expiry e = {SEGUE_EXPIRY_NONE, 0, true};
    return e;
}
static inline segue_expiry segue_expiry_in(uint32_t seconds)
{
    segue_expiry e = {SEGUE_EXPIRY_IN, seconds, false};
    return e;
}
static inline segue_expiry segue_expiry_at(uint32_t unix_seconds)
{
    segue_expiry e = {SEGUE_EXPIRY_AT, unix_seconds, false};
    return e;
}
/* The convention of Couchbase's protocol: 0 none, 1..2592000 (30 days) seconds from now, larger absolute. */
static inline segue_expiry segue_expiry_u32(uint32_t value)
{
    return value == 0 ? segue_expiry_none() : value <= 2592000u ? segue_expiry_in(value) : segue_expiry_at(value);
}

typedef enum segue_json {
    SEGUE_JSON_AUTO, /* a body that is set or appended to: whether it is one valid JSON text; a counter: yes; else kept */
    SEGUE_JSON_YES,  /* taken on trust */
    SEGUE_JSON_NO
} segue_json;

/* ---- Paths: a place in a JSON text ----
 *
 *   a.b.c       the member c of the member b of the member a
 *   a[3] a[-1]  the fourth element; the last one. [0] for a body that is an array itself
 *   `a.b`.c     a name in backticks stands for itself; a backtick in it is doubled. A name with . [ ] or ` in it needs them
 *
 * In an xattr the first component is the xattr's name, without backticks, and the rest (if any) leads into its value. A name
 * is compared with what a member's name means, not with how it is escaped.
 *
 * Of what is stored only the addressed part changes; all other bytes stay: order, spacing, numbers of any length, escapes.
 *
 * INVALID_PATH: none of these. NOT_JSON: the text is no JSON at all. PATH_NOT_FOUND: there is no such member or element.
 * PATH_MISMATCH: it leads into a value of another type (a name into what is no object, null too; an index into what is no
 * array). PATH_AMBIGUOUS: an object on the way has the name twice; which one is meant is not guessed. */

typedef enum segue_path_action {
    SEGUE_PATH_SET,    /* the value, whether something is there or not. An index that is not there: PATH_NOT_FOUND */
    SEGUE_PATH_INSERT, /* PATH_EXISTS if something is there, null too */
    SEGUE_PATH_DELETE, /* emptied parents stay */
    SEGUE_PATH_APPEND  /* the value behind the last element of the array there; PATH_MISMATCH: it is no array */
} segue_path_action;

typedef enum segue_path_in { SEGUE_IN_BODY, SEGUE_IN_XATTR } segue_path_in;

/* Options of a path operation, or-ed. */
enum {
    SEGUE_PATH_PARENTS = 1 << 0,   /* SET, INSERT, APPEND: objects (and the xattr) that are missing on the way are made, and
                                      the array that is appended to; never elements of arrays */
    SEGUE_PATH_MISSING_OK = 1 << 1 /* DELETE: nothing there is no error */
};

typedef struct segue_path_op {
    segue_path_action action;
    segue_path_in in;
    segue_slice path;
    segue_slice value; /* JSON text, put in as it is; not looked at by DELETE */
    unsigned options;  /* SEGUE_PATH_... */
} segue_path_op;

/* A value that is known only when the document is written: a JSON string, set at a path in an xattr (a name and at least one
 * more component; what it stands in must be there). */
typedef enum segue_macro_kind {
    SEGUE_MACRO_CAS,        /* the new CAS: "0x" and 16 hex digits, its bytes in little-endian order. UNSUPPORTED: the store
                               has no SEGUE_CAP_CAS_MACROS */
    SEGUE_MACRO_BODY_CRC32C /* of the body as it is stored: "0x" and 8 hex digits; of a tombstone "0x00000000" */
} segue_macro_kind;

typedef struct segue_macro {
    segue_slice path;
    segue_macro_kind kind;
} segue_macro;

/* ---- The mutation ---- */

/* Options of a mutation, or-ed. */
enum {
    SEGUE_M_AS_TOMBSTONE = 1 << 0,    /* body KEEP on nothing at all: make a tombstone that holds the xattrs */
    SEGUE_M_TOMBSTONE_OK = 1 << 1,    /* body DELETE on a tombstone: only its xattrs change */
    SEGUE_M_NOTHING_OK = 1 << 2,      /* body DELETE of nothing: nothing is written, and that is a success */
    SEGUE_M_DROP_MISSING_OK = 1 << 3, /* an xattr to drop that is not there is no error; else PATH_NOT_FOUND */
    SEGUE_M_REPLACE_ALL = 1 << 4,     /* body SET: the old xattrs go too, and flags and expiry start anew (keep_if_live is
                                         not looked at). With EXPECT_ANY one write without a read */
    SEGUE_M_FROM_EMPTY = 1 << 5       /* body KEEP with paths into the body: where nothing is live the body starts as {},
                                         as if it were set; else NOT_FOUND */
};

/* Zero-initialised it changes nothing. All slices are borrowed for the length of the call. All or nothing, in this order:
 * the body; xattrs dropped and set; of these, names that are paths ("_sync.rev": dropped, then set, with parents); the path
 * operations as they stand; macros. What a mutation asks for is refused as a whole if one part of it is. */
typedef struct segue_mutation {
    segue_expect expect;
    uint64_t cas;                   /* for SEGUE_EXPECT_CAS and _RECORD_CAS; 0 is never a CAS: INVALID_ARGUMENT */
    segue_body_op body_op;
    segue_slice body;               /* SET, APPEND */
    uint64_t delta;                 /* ADD */
    uint64_t initial;               /* ADD on nothing live: this is stored, delta is not added */
    bool has_initial;
    bool has_flags;
    uint32_t flags;                 /* if has_flags; else kept, 0 on a new document */
    const segue_xattr *set_xattrs;  /* in any order; a value must be JSON. Names or paths */
    size_t n_set_xattrs;
    const segue_slice *drop_xattrs; /* names or paths; one that is named twice is dropped once */
    size_t n_drop_xattrs;
    const segue_path_op *paths;     /* into the body: with body KEEP or SET, and the body is JSON afterwards */
    size_t n_paths;
    const segue_macro *macros;
    size_t n_macros;
    segue_expiry expiry;
    segue_json json;
    unsigned options;               /* SEGUE_M_... */
} segue_mutation;

/* What a mutation did. */
typedef struct segue_outcome {
    uint64_t cas;      /* of the record now; 0 if there is none */
    uint64_t revision; /* of the record now; 0: not known (REPLACE_ALL, on a store without SEGUE_CAP_MUTATE) */
    uint64_t counter;  /* body ADD: the number stored */
    bool written;      /* false: nothing had to change (a touch with the same expiry, a delete of nothing) */
} segue_outcome;

#ifdef __cplusplus
}
#endif
#endif
