/* The named forms: each is one mutation, one get or one update of <segue/store.h>, and says which. tests/test_mapping.c maps
 * the operations of Sync Gateway's DataStore interface onto them.
 *
 * Threads and ownership are those of segue_mutate, segue_get and segue_update; options may be NULL, and every ret_ output.
 *
 * `cas` arguments: 0 means "nothing live there" and never "do not care": EXISTS on a live document. Another CAS than the
 * document's is CAS_MISMATCH, and NOT_FOUND where there is none; the body of a tombstone cannot be written under its CAS, also
 * NOT_FOUND, its xattrs can.
 *
 * Statuses: each call names those that its meaning has. Besides, what <segue/store.h> says of every call; TOO_BIG (the
 * limits of <segue/doc.h>, of what is there afterwards); BODY_REQUIRED where a body has data NULL; INVALID_XATTR_NAME,
 * INVALID_PATH and INVALID_JSON (of what is given) where there are xattrs and paths; INVALID_ARGUMENT for options and
 * numbers that mean nothing, an expiry past the year 2106, or an xattr that is set twice. */
#ifndef SEGUE_OPS_H
#define SEGUE_OPS_H

#include <segue/store.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- bodies ---- */

/* Insert, over nothing or a tombstone (of which no xattr stays). EXISTS over a live document. The body counts as JSON without a
 * look; see segue_add_raw. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_add(segue_store *store, segue_slice key, segue_slice body,
                                                  segue_expiry expiry, const segue_options *options, uint64_t *ret_cas,
                                                  segue_error *reterr);

/* Write whatever is there. Xattrs and flags of a live document stay; expiry: pass segue_expiry_keep() to keep it. Nothing in
 * what is there refuses it. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_set(segue_store *store, segue_slice key, segue_slice body,
                                                  segue_expiry expiry, const segue_options *options, uint64_t *ret_cas,
                                                  segue_error *reterr);

/* The same two for raw bytes: whether they are JSON is found out. (What is nested deeper than SEGUE_JSON_DEPTH_MAX counts as
 * none: it is stored, with is_json false, and no path leads into it.) */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_add_raw(segue_store *store, segue_slice key, segue_slice body,
                                                      segue_expiry expiry, const segue_options *options,
                                                      uint64_t *ret_cas, segue_error *reterr);
SEGUE_API SEGUE_MUST_CHECK segue_status segue_set_raw(segue_store *store, segue_slice key, segue_slice body,
                                                      segue_expiry expiry, const segue_options *options,
                                                      uint64_t *ret_cas, segue_error *reterr);

enum {
    SEGUE_WRITE_RAW = 1 << 0,      /* find out whether the body is JSON */
    SEGUE_WRITE_ADD_ONLY = 1 << 1, /* cas is not looked at: insert, EXISTS over a live document */
    SEGUE_WRITE_APPEND = 1 << 2    /* append to the body */
};

/* Replace (or append to) the document that has this CAS; cas 0 inserts. CAS_MISMATCH; EXISTS: cas 0, or ADD_ONLY, over a live
 * document; NOT_FOUND: nothing live there and cas != 0, or nothing to append to. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_write_cas(segue_store *store, segue_slice key, uint64_t cas,
                                                        segue_slice body, segue_expiry expiry, unsigned write_options,
                                                        const segue_options *options, uint64_t *ret_cas,
                                                        segue_error *reterr);

/* Append to a live body, whatever its CAS, keeping its expiry. NOT_FOUND: nothing live there; TOO_BIG: the whole would be. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_append(segue_store *store, segue_slice key, segue_slice fragment,
                                                     const segue_options *options, uint64_t *ret_cas,
                                                     segue_error *reterr);

/* Set the expiry of a live document. The same as before: nothing is written, CAS and revision stay. NOT_FOUND: nothing live. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_touch(segue_store *store, segue_slice key, segue_expiry expiry,
                                                    const segue_options *options, uint64_t *ret_cas,
                                                    segue_error *reterr);
/* The same, and the document afterwards into doc, as it was stored: also where its new expiry is over by now. NOT_FOUND. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_get_and_touch(segue_store *store, segue_slice key, segue_expiry expiry,
                                                            const segue_options *options, segue_doc *doc,
                                                            segue_error *reterr);

/* Delete a live document, whatever its CAS. It leaves a tombstone with its system xattrs. NOT_FOUND: nothing live there. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_delete(segue_store *store, segue_slice key, const segue_options *options,
                                                     segue_error *reterr);
/* Delete the live document that has this CAS. *ret_cas: of the tombstone. CAS_MISMATCH; NOT_FOUND: nothing live there; EXISTS:
 * cas 0, and there is. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_remove(segue_store *store, segue_slice key, uint64_t cas,
                                                     const segue_options *options, uint64_t *ret_cas,
                                                     segue_error *reterr);

/* Add delta (modulo 2^64) to the counter; *ret_value is what is stored now. Nothing live there: `*initial` is stored, with
 * `expiry`; initial NULL: NOT_FOUND. A live counter keeps its expiry. NOT_A_NUMBER: the body is empty, has a byte that is no
 * digit, or is past 2^64-1; it stays as it is. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_incr(segue_store *store, segue_slice key, uint64_t delta,
                                                   const uint64_t *initial, segue_expiry expiry,
                                                   const segue_options *options, uint64_t *ret_value,
                                                   segue_error *reterr);

/* Whether there is a live document. The answer is an output; the status says whether it is known. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_exists(segue_store *store, segue_slice key, const segue_options *options,
                                                     bool *ret_exists, segue_error *reterr);
/* Absolute Unix seconds, 0 none; 0 for a tombstone. NOT_FOUND: no record at all. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_get_expiry(segue_store *store, segue_slice key,
                                                         const segue_options *options, uint32_t *ret_expiry,
                                                         segue_error *reterr);

/* ---- paths into bodies (what a path is, and the statuses of paths: <segue/doc.h>) ----
 *
 * The expiry and all xattrs stay. `expect` and `cas` are those of a mutation; SEGUE_EXPECT_ANY is what the DataStore interface
 * calls CAS 0 here; SEGUE_EXPECT_CAS with 0 is INVALID_ARGUMENT. For more than one change, parents and paths into xattrs:
 * segue_mutate.
 *
 * All four may be, besides what each says: NOT_FOUND (no live document, and for segue_subdoc_set only where a CAS is expected),
 * EXISTS, CAS_MISMATCH (as `expect` asks), PATH_NOT_FOUND, PATH_MISMATCH, PATH_AMBIGUOUS, NOT_JSON (the body is none). */

/* The JSON text at a path, byte for byte, of a live document's body or (in) of an xattr, of a tombstone's too. doc receives
 * the record and *ret_json points into it; where doc is large enough nothing is allocated. NOT_FOUND: no live document, or for
 * an xattr no record; PATH_NOT_FOUND (also: there is no such xattr), PATH_MISMATCH, PATH_AMBIGUOUS, NOT_JSON. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_subdoc_get(segue_store *store, segue_slice key, segue_path_in in,
                                                         segue_slice path, const segue_options *options,
                                                         segue_doc *doc, segue_slice *ret_json, segue_error *reterr);

/* Set the value at a path. Nothing live there: the document {} is made and gets it, so a path of one name makes a document and
 * a longer one is PATH_NOT_FOUND. What it stands in must be there. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_subdoc_set(segue_store *store, segue_slice key, segue_expect expect,
                                                         uint64_t cas, segue_slice path, segue_slice json,
                                                         const segue_options *options, uint64_t *ret_cas,
                                                         segue_error *reterr);

/* Only where nothing is: PATH_EXISTS, also over null. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_subdoc_insert(segue_store *store, segue_slice key, segue_expect expect,
                                                            uint64_t cas, segue_slice path, segue_slice json,
                                                            const segue_options *options, uint64_t *ret_cas,
                                                            segue_error *reterr);

/* Take out a member or an element. PATH_NOT_FOUND: it is not there. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_subdoc_delete(segue_store *store, segue_slice key, segue_expect expect,
                                                            uint64_t cas, segue_slice path,
                                                            const segue_options *options, uint64_t *ret_cas,
                                                            segue_error *reterr);

/* To the end of the array at a path. PATH_NOT_FOUND: there is none; PATH_MISMATCH: it is no array. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_subdoc_append(segue_store *store, segue_slice key, segue_expect expect,
                                                            uint64_t cas, segue_slice path, segue_slice json,
                                                            const segue_options *options, uint64_t *ret_cas,
                                                            segue_error *reterr);

/* ---- xattrs ----
 *
 * Wherever names of xattrs are given, a path into one (`_sync.rev`) may be, too. In a read it comes back as an xattr of that
 * name. Virtual xattrs can be read beside them, of live documents and tombstones: `$document`, an object with the fields CAS
 * (as "0x" and 16 hex digits, most significant first), revid, exptime, flags, value_bytes, datatype, deleted, last_modified,
 * value_crc32c; and each of them, as `$document.CAS`. A name that cannot be one is not there. At most SEGUE_XATTRS_MAX
 * names, of any kind: TOO_BIG.
 *
 * A write through a path may be PATH_NOT_FOUND, PATH_MISMATCH, PATH_AMBIGUOUS or NOT_JSON (of an xattr's value). */

/* The named xattrs of a live document or a tombstone: doc->rec.xattrs holds those that are there, and no others; no body.
 * XATTR_NOT_FOUND: none of them. NOT_FOUND: no record. XATTRS_REQUIRED: no names. PATH_MISMATCH, PATH_AMBIGUOUS, NOT_JSON: a
 * path among them that cannot be followed. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_xattrs_get(segue_store *store, segue_slice key, const segue_slice *names,
                                                         size_t n_names, const segue_options *options, segue_doc *doc,
                                                         segue_error *reterr);

/* Body and named xattrs. A tombstone with at least one of them: success, rec.is_tombstone, body.data NULL. A tombstone with
 * none: NOT_FOUND, and, unlike other calls, doc holds the tombstone's CAS. No record: NOT_FOUND and doc is empty (CAS 0). A
 * live document without any of them is a success. PATH_MISMATCH, PATH_AMBIGUOUS, NOT_JSON as above. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_get_with_xattrs(segue_store *store, segue_slice key,
                                                              const segue_slice *names, size_t n_names,
                                                              const segue_options *options, segue_doc *doc,
                                                              segue_error *reterr);

/* Set xattrs of a live document or a tombstone, whatever its CAS; a value with data NULL drops that xattr (PATH_NOT_FOUND
 * if it is not there). Body and expiry stay. Objects that are missing on a path are made, the xattr too. NOT_FOUND: no
 * record; XATTRS_REQUIRED: none given; XATTR_SET_AND_DROPPED. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_xattrs_set(segue_store *store, segue_slice key,
                                                         const segue_xattr *xattrs, size_t n_xattrs,
                                                         const segue_options *options, uint64_t *ret_cas,
                                                         segue_error *reterr);

/* Set xattrs of the record with this CAS (cas 0: of a tombstone, EXISTS on a live document) and its expiry. CAS_MISMATCH;
 * NOT_FOUND: no record; XATTRS_REQUIRED: none given; XATTR_VALUE_REQUIRED for a value with data NULL. With macros:
 * segue_write_with_xattrs without a body. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_xattrs_update(segue_store *store, segue_slice key, uint64_t cas,
                                                            const segue_xattr *xattrs, size_t n_xattrs,
                                                            segue_expiry expiry, const segue_options *options,
                                                            uint64_t *ret_cas, segue_error *reterr);

/* Drop xattrs of the record with this CAS (cas 0: of a tombstone, EXISTS on a live document). PATH_NOT_FOUND if one is not
 * there: none is dropped then. CAS_MISMATCH; NOT_FOUND: no record; XATTRS_REQUIRED: no names. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_xattrs_remove(segue_store *store, segue_slice key, uint64_t cas,
                                                            const segue_slice *names, size_t n_names,
                                                            const segue_options *options, uint64_t *ret_cas,
                                                            segue_error *reterr);

/* Drop xattrs of a live document or a tombstone whatever its CAS; those that are not there do not matter. Nothing to drop:
 * nothing is written. NOT_FOUND: no record; XATTRS_REQUIRED: no names; PATH_MISMATCH: a path through what is no object. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_xattrs_drop(segue_store *store, segue_slice key, const segue_slice *names,
                                                          size_t n_names, const segue_options *options,
                                                          uint64_t *ret_cas, segue_error *reterr);

/* No body, none of the named xattrs, no user xattrs afterwards, from a live document or a tombstone. NOT_FOUND: no
 * record, or a tombstone without any of them. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_delete_with_xattrs(segue_store *store, segue_slice key,
                                                                 const segue_slice *names, size_t n_names,
                                                                 const segue_options *options, segue_error *reterr);

/* Set one value inside an xattr (or a whole one) of the record with this CAS (cas 0: of a tombstone, EXISTS on a live
 * document); what is missing on the path is made. CAS_MISMATCH; NOT_FOUND: no record; XATTR_VALUE_REQUIRED: json has data
 * NULL. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_touch_xattr(segue_store *store, segue_slice key, uint64_t cas,
                                                          segue_slice path, segue_slice json,
                                                          const segue_options *options, uint64_t *ret_cas,
                                                          segue_error *reterr);

/* What the writes below change. body.data NULL: the body stays. */
typedef struct segue_xattr_write {
    segue_slice body;
    const segue_xattr *set;
    size_t n_set;
    const segue_slice *drop; /* names */
    size_t n_drop;
    segue_expiry expiry;
    const segue_macro *macros;
    size_t n_macros;
} segue_xattr_write;

/* Body and xattrs of the document with this CAS in one write; cas 0 inserts (over a tombstone too: with exactly `set`).
 * XATTR_DROP_ON_INSERT (cas 0 and names to drop), XATTR_VALUE_REQUIRED, XATTRS_REQUIRED (neither body nor xattrs),
 * XATTR_SET_AND_DROPPED; PATH_NOT_FOUND: one to drop, or what a macro is to stand in, is not there; BODY_REQUIRED: an insert
 * without body. EXISTS (cas 0), CAS_MISMATCH; NOT_FOUND: no record, or a body for a tombstone; UNSUPPORTED: a macro of the CAS
 * where the store has no SEGUE_CAP_CAS_MACROS. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_write_with_xattrs(segue_store *store, segue_slice key, uint64_t cas,
                                                                const segue_xattr_write *write,
                                                                const segue_options *options, uint64_t *ret_cas,
                                                                segue_error *reterr);

/* delete_body: a live document with this CAS becomes a tombstone with `set` and what is left of its system xattrs; NOT_FOUND
 * on a tombstone or nothing, whatever the cas; cas 0 deletes nothing: EXISTS on a live document. Else: the xattrs of the
 * record with this CAS change, its body (if any) stays, and cas 0 makes a new tombstone (EXISTS over any record, a tombstone
 * too). CAS_MISMATCH; NOT_FOUND: no record; XATTRS_REQUIRED: `set` is empty; XATTR_DROP_ON_INSERT, XATTR_VALUE_REQUIRED,
 * XATTR_SET_AND_DROPPED, PATH_NOT_FOUND as above. write->body must be none: INVALID_ARGUMENT. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_write_tombstone(segue_store *store, segue_slice key, uint64_t cas,
                                                              bool delete_body, const segue_xattr_write *write,
                                                              const segue_options *options, uint64_t *ret_cas,
                                                              segue_error *reterr);

/* Insert, over nothing or a tombstone, with exactly these xattrs. EXISTS over a live document. BODY_REQUIRED;
 * XATTR_DROP_ON_INSERT; XATTR_VALUE_REQUIRED. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_write_resurrection(segue_store *store, segue_slice key,
                                                                 const segue_xattr_write *write,
                                                                 const segue_options *options, uint64_t *ret_cas,
                                                                 segue_error *reterr);

/* What the callback of segue_write_update_with_xattrs decides. body.data NULL: the body stays. */
typedef struct segue_updated {
    segue_xattr_write write;
    bool is_tombstone; /* no body afterwards; needs `set`: XATTRS_REQUIRED */
} segue_updated;
typedef segue_status (*segue_xattr_update_fn)(void *ctx, const segue_record *current, segue_updated *updated);

/* segue_update with the checks of the DataStore operation of that name: XATTRS_REQUIRED (neither body nor xattrs, or a
 * tombstone without), XATTR_DROP_ON_TOMBSTONE (names to drop while a tombstone gets a body), XATTR_DROP_ON_INSERT is never an
 * error here: what is not there need not be dropped from a new document; BODY_REQUIRED (nothing live, and no body),
 * XATTR_VALUE_REQUIRED, XATTR_SET_AND_DROPPED, PATH_NOT_FOUND. updated->write.expiry starts as options->expiry;
 * options->macros are expanded besides updated->write.macros. */
SEGUE_API SEGUE_MUST_CHECK segue_status segue_write_update_with_xattrs(segue_store *store, segue_slice key,
                                                                       segue_xattr_update_fn fn, void *ctx,
                                                                       const segue_update_options *options,
                                                                       segue_outcome *ret_outcome,
                                                                       segue_error *reterr);

#ifdef __cplusplus
}
#endif
#endif
