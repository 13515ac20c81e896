// The ten-line program in C++: every public header, then a set and a get.
#include <segue/backend.h>
#include <segue/dual.h>
#include <segue/migrate.h>
#include <segue/ops.h>
#include <segue/store.h>
#include <cstdio>
#include <string>

int main()
{
    segue_store *store = nullptr;
    segue_error err = {};
    segue_doc doc = {};
    if (segue_open("sqlite:cpp.db?collection=_system._mobile", nullptr, &store, &err) != SEGUE_OK ||
        segue_set(store, segue_str("greeting"), segue_str("{\"text\":\"hello\"}"), segue_expiry_none(), nullptr, nullptr,
                  &err) != SEGUE_OK ||
        segue_get(store, segue_str("greeting"), nullptr, &doc, &err) != SEGUE_OK)
        return std::fprintf(stderr, "%s\n", err.message), 1;
    std::puts(std::string(doc.rec.body.data, doc.rec.body.size).c_str());
    segue_doc_free(&doc);
    segue_close(store);
}
