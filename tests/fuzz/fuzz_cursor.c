/* Cursors of feeds: what is read is written again byte for byte; whatever is not a cursor says so. */
#include "fuzz.h"

#include "base/base.h"
#include "store/cursor.h"

enum { MOST = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    seg_position at[MOST];
    SEG_AUTO(segue_buf) again = {0}, signed_text = {0};
    char crc[10];
    for (size_t n = 1; n <= MOST; n++) {
        segue_error err = {0};
        segue_slice text = segue_bytes(data, size);
        segue_status st = seg_cursor_read(text, at, n, sizeof at[0], &err);
        if (st != SEGUE_OK) {
            MUST(st == SEGUE_INVALID_CURSOR && err.status == st && err.message[0]);
            /* Past the check, so that mutations reach what is behind it. */
            (void)snprintf(crc, sizeof crc, ".%08x", seg_crc32c(text)); /* fits */
            segue_buf_clear(&signed_text);
            MUST(segue_buf_append(&signed_text, data, size) == SEGUE_OK);
            MUST(segue_buf_append(&signed_text, crc, 9) == SEGUE_OK);
            text = segue_buf_slice(&signed_text);
            if (seg_cursor_read(text, at, n, sizeof at[0], NULL) != SEGUE_OK) continue;
        }
        segue_buf_clear(&again);
        MUST(seg_cursor_write(at, n, sizeof at[0], &again) == SEGUE_OK);
        MUST(segue_slice_equal(segue_buf_slice(&again), text));
    }
    return 0;
}
