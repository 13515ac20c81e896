/* Store URLs: whatever is parsed can be put together again and means the same; whatever is not says why. */
#include "fuzz.h"

#include "base/base.h"
#include "base/url.h"

static void put_together_again(const segue_url *url)
{
    SEG_AUTO(segue_buf) text = {0};
    MUST(segue_buf_append(&text, url->scheme, strlen(url->scheme)) == SEGUE_OK);
    MUST(segue_buf_append(&text, ":", 1) == SEGUE_OK && seg_url_encode(segue_str(url->path), &text) == SEGUE_OK);
    for (size_t i = 0; i < url->n_params; i++) {
        const seg_url_param *p = &url->params[i];
        if (strpbrk(p->name, "=") || !p->name[0]) return; /* names are not encoded by anybody: nothing to compare */
        MUST(segue_buf_append(&text, i ? "&" : "?", 1) == SEGUE_OK &&
             seg_url_encode(segue_str(p->name), &text) == SEGUE_OK);
        MUST(segue_buf_append(&text, "=", 1) == SEGUE_OK && seg_url_encode(segue_str(p->value), &text) == SEGUE_OK);
    }
    MUST(segue_buf_append(&text, "", 1) == SEGUE_OK);
    if (text.size > SEG_URL_MAX) return;
    segue_url *again = NULL;
    MUST(seg_url_parse(text.data, &again, NULL) == SEGUE_OK);
    MUST(strcmp(again->scheme, url->scheme) == 0 && strcmp(again->path, url->path) == 0);
    MUST(again->n_params == url->n_params);
    for (size_t i = 0; i < url->n_params; i++)
        MUST(strcmp(segue_url_param(again, url->params[i].name), url->params[i].value) == 0);
    seg_url_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = seg_strndup((const char *)data, size);
    MUST(text);
    segue_error err = {0};
    segue_url *url = NULL;
    segue_status st = seg_url_parse(text, &url, &err);
    if (st == SEGUE_OK) {
        MUST(url && url->scheme[0] && url->path);
        if (!url->rest) put_together_again(url);
    } else {
        MUST(st == SEGUE_INVALID_URL && !url && err.status == st && err.message[0]);
    }
    seg_url_free(&url);
    seg_free(text);
    return 0;
}
