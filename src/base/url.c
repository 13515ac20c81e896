/* L1: store URLs. */
#include "base/url.h"
#include "base/base.h"

static bool is_scheme_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* A copy with the percent-escapes resolved. A NUL cannot be part of a path or value. */
static segue_status decode(const char *whole, segue_slice text, char **ret_copy, segue_error *reterr)
{
    SEG_AUTO_STRING copy = seg_alloc(text.size + 1);
    if (!copy) return seg_error_set(reterr, SEGUE_NO_MEMORY, "out of memory");
    size_t n = 0;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if (c == '%') {
            int high = i + 2 < text.size ? hex_digit(text.data[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(text.data[i + 2]) : -1;
            if (low < 0 || high + low == 0)
                return seg_error_set(reterr, SEGUE_INVALID_URL,
                                     "the URL has a bad percent-escape at byte %zu: write a literal %% as %%25",
                                     (size_t)(text.data + i - whole));
            c = (char)(high * 16 + low);
            i += 2;
        }
        copy[n++] = c;
    }
    copy[n] = 0;
    *ret_copy = copy;
    copy = NULL;
    return SEGUE_OK;
}

/* name=value&name=value */
static segue_status parse_params(segue_url *url, const char *query, segue_error *reterr)
{
    for (const char *at = query; *at;) {
        size_t size = strcspn(at, "&");
        size_t name_size = strcspn(at, "=&");
        if (name_size == 0 || name_size == size)
            return seg_error_set(reterr, SEGUE_INVALID_URL, "the URL has a parameter that is not name=value at byte %zu",
                                 (size_t)(at - url->text));
        if (url->n_params == SEG_URL_PARAMS_MAX)
            return seg_error_set(reterr, SEGUE_INVALID_URL, "the URL has more than %d parameters", SEG_URL_PARAMS_MAX);
        seg_url_param *param = &url->params[url->n_params++];
        segue_status st = decode(url->text, segue_bytes(at, name_size), &param->name, reterr);
        if (st == SEGUE_OK)
            st = decode(url->text, segue_bytes(at + name_size + 1, size - name_size - 1), &param->value, reterr);
        if (st != SEGUE_OK) return st;
        for (size_t i = 0; i + 1 < url->n_params; i++)
            if (strcmp(url->params[i].name, param->name) == 0)
                return seg_error_set(reterr, SEGUE_INVALID_URL, "the URL has the parameter %s twice", param->name);
        at += size;
        if (*at == '&') at++;
    }
    return SEGUE_OK;
}

static segue_status parse(segue_url *url, segue_error *reterr)
{
    const char *text = url->text;
    size_t n = 0;
    while (is_scheme_char(text[n])) n++;
    if (n == 0 || (text[n] != ':' && text[n] != '+'))
        return seg_error_set(reterr, SEGUE_INVALID_URL,
                             "a store URL begins with its scheme, as in sqlite:app.db or mem: (at byte %zu)", n);
    url->scheme = seg_strndup(text, n);
    if (!url->scheme) return seg_error_set(reterr, SEGUE_NO_MEMORY, "out of memory");
    if (text[n] == '+') {
        url->rest = seg_strdup(text + n + 1);
        url->path = seg_strdup("");
        return url->rest && url->path ? SEGUE_OK : seg_error_set(reterr, SEGUE_NO_MEMORY, "out of memory");
    }
    const char *path = text + n + 1;
    size_t path_size = strcspn(path, "?");
    segue_status st = decode(text, segue_bytes(path, path_size), &url->path, reterr);
    if (st == SEGUE_OK && path[path_size]) st = parse_params(url, path + path_size + 1, reterr);
    return st;
}

segue_status seg_url_parse(const char *text, segue_url **ret_url, segue_error *reterr)
{
    if (!text) return seg_error_set(reterr, SEGUE_INVALID_URL, "there is no store URL");
    if (strnlen(text, SEG_URL_MAX + 1) > SEG_URL_MAX)
        return seg_error_set(reterr, SEGUE_INVALID_URL, "the store URL is longer than %d bytes", SEG_URL_MAX);
    segue_url *url = seg_alloc_zero(sizeof *url);
    if (!url) return seg_error_set(reterr, SEGUE_NO_MEMORY, "out of memory");
    url->text = seg_strdup(text);
    segue_status st = url->text ? parse(url, reterr) : seg_error_set(reterr, SEGUE_NO_MEMORY, "out of memory");
    if (st == SEGUE_OK) *ret_url = url;
    else seg_url_free(&url);
    return st;
}

void seg_url_free(segue_url **url)
{
    segue_url *u = *url;
    if (!u) return;
    for (size_t i = 0; i < u->n_params; i++) {
        seg_free(u->params[i].name);
        seg_free(u->params[i].value);
    }
    seg_free(u->path);
    seg_free(u->rest);
    seg_free(u->scheme);
    seg_free(u->text);
    seg_free(u);
    *url = NULL;
}

segue_status seg_url_encode(segue_slice value, segue_buf *out)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < value.size; i++) {
        unsigned char c = (unsigned char)value.data[i];
        bool plain = c > 0x20 && c < 0x7f && !strchr("%&+?#", c);
        char escaped[3] = {'%', hex[c >> 4], hex[c & 15]};
        segue_status st = plain ? segue_buf_append(out, &value.data[i], 1) : segue_buf_append(out, escaped, 3);
        if (st != SEGUE_OK) return st;
    }
    return SEGUE_OK;
}

const char *segue_url_path(const segue_url *url) { return url->path; }

const char *segue_url_param(const segue_url *url, const char *name)
{
    for (size_t i = 0; i < url->n_params; i++)
        if (strcmp(url->params[i].name, name) == 0) return url->params[i].value;
    return NULL;
}

segue_status segue_url_only(const segue_url *url, const char *const *names, segue_call *call)
{
    for (size_t i = 0; i < url->n_params; i++) {
        bool known = strcmp(SEG_URL_FEED_POLL, url->params[i].name) == 0;
        for (size_t k = 0; names[k] && !known; k++) known = strcmp(names[k], url->params[i].name) == 0;
        char quoted[SEG_QUOTED_MAX];
        if (!known)
            return segue_fail(call, SEGUE_INVALID_URL, "a %s: URL has no parameter %s", url->scheme,
                              seg_quote(segue_str(url->params[i].name), quoted));
    }
    return SEGUE_OK;
}
