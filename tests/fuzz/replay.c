/* A fuzz program without a fuzzer: runs the inputs given once, in any build and with any compiler, so that
 * what was found stays mended. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n);

enum { MAX_BYTES = 1 << 20 };

/* In a block of exactly its size, so that a sanitizer sees a read past its end. */
static void run(const char *path)
{
    static unsigned char read[MAX_BYTES];
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(read, 1, sizeof read, f) : 0;
    unsigned char *bytes = malloc(n ? n : 1);
    if (!f || !bytes) {
        (void)fprintf(stderr, "%s: cannot be read\n", path);
        exit(EXIT_FAILURE);
    }
    (void)fclose(f);
    memcpy(bytes, read, n);
    (void)fprintf(stderr, "%s\n", path);
    (void)LLVMFuzzerTestOneInput(bytes, n);
    free(bytes);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        run(argv[i]);
    return argc > 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
