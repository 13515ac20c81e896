/* L1: store URLs: [filter+...]scheme:path[?name=value&...]. Percent-encoding in path and values. */
#ifndef SEG_URL_H
#define SEG_URL_H

#include <segue/backend.h>

/* A parameter of every store: the store layer's, which checks it. */
#define SEG_URL_FEED_POLL "feed_poll_ms"

/* At most this many bytes, filters and parameters: a bound for what comes from outside. */
enum { SEG_URL_MAX = 8192, SEG_URL_PARAMS_MAX = 16 };

typedef struct seg_url_param {
    char *name;
    char *value;
} seg_url_param;

struct segue_url {
    char *text;   /* as given */
    char *scheme; /* the outermost one: a filter's, if there are filters */
    char *rest;   /* NULL, or for "a+b:..." the text after "a+": a whole URL of its own */
    char *path;   /* "" for a filter */
    seg_url_param params[SEG_URL_PARAMS_MAX];
    size_t n_params;
};

/* INVALID_URL with the offset of what is wrong, NO_MEMORY. */
segue_status seg_url_parse(const char *text, segue_url **ret_url, segue_error *reterr);
void seg_url_free(segue_url **url);

/* Percent-encode what cannot stand in a parameter's value. Appends. */
segue_status seg_url_encode(segue_slice value, segue_buf *out);

#endif
