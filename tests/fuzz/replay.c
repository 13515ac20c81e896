/* Runs a fuzzer without libFuzzer, for every build: on each file of its corpus, on each beginning of it, and with each
 * byte changed in a few ways. Prints how many inputs that were; a property that fails aborts. */
#include "fuzz.h"

#include <dirent.h>
#include <string.h>

enum { INPUT_MAX = 4096 };

static unsigned long n_inputs;

static void run(const uint8_t *data, size_t size)
{
    n_inputs++;
    (void)LLVMFuzzerTestOneInput(data, size); /* always 0 */
}

static void run_around(uint8_t *data, size_t size)
{
    static const uint8_t changes[] = {0x01, 0x20, 0x80, 0xff};
    static const char signs[] = "\"\\{}[]:,&%?=+0-e\n";
    run(data, size);
    for (size_t n = 0; n < size; n++) run(data, n);
    for (size_t i = 0; i < size; i++) {
        uint8_t was = data[i];
        for (size_t k = 0; k < sizeof changes; k++) data[i] = was ^ changes[k], run(data, size);
        for (size_t k = 0; k < sizeof signs; k++) data[i] = (uint8_t)signs[k], run(data, size);
        data[i] = was;
    }
}

int main(int argc, char **argv)
{
    if (argc != 2) return fprintf(stderr, "usage: %s CORPUS\n", argv[0]), 2;
    DIR *folder = opendir(argv[1]);
    if (!folder) return perror(argv[1]), 1;
    unsigned n_files = 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        char path[1024];
        uint8_t data[INPUT_MAX];
        int length = snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        FILE *file = length > 0 && (size_t)length < sizeof path ? fopen(path, "rb") : NULL;
        if (!file) return perror(path), 1;
        size_t size = fread(data, 1, sizeof data, file);
        (void)fclose(file); /* it was only read */
        run_around(data, size);
        n_files++;
    }
    (void)closedir(folder);
    printf("%s - %lu inputs around %u files of %s\n", n_files ? "ok" : "not ok", n_inputs, n_files, argv[1]);
    return n_files == 0;
}
