/* Pages through ISA-L alone, on one thread: what a page costs where nothing else is done.
 *
 *   isal_pages FILE UNIT SLOT ROUNDS
 *
 * FILE is cut into units of UNIT bytes. Each is deflated with the fixed Huffman code (RFC 1951 3.2.6; level 0 with
 * igzip's static tables) into a slot of SLOT bytes; when all rounds of that are done, each is inflated again from there.
 * Prints one line for each round: nanoseconds per unit to deflate and to inflate; and at last the sum of the deflated
 * sizes and how many did not fit.
 */
#include <isa-l/igzip_lib.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static void *must(void *memory, const char *what)
{
    if (memory == NULL) {
        fprintf(stderr, "isal_pages: no %s\n", what);
        exit(1);
    }
    return memory;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: isal_pages FILE UNIT SLOT ROUNDS\n");
        return 2;
    }
    size_t unit = strtoul(argv[2], NULL, 10), slot = strtoul(argv[3], NULL, 10);
    int rounds = atoi(argv[4]);
    FILE *file = must(fopen(argv[1], "rb"), "such file");
    fseek(file, 0, SEEK_END);
    size_t size = (size_t)ftell(file), units = size / unit, kept = 0, refused = 0;
    rewind(file);
    unsigned char *source = must(malloc(size), "memory"), *packed = must(malloc(units * slot), "memory");
    unsigned char *back = must(malloc(unit), "memory");
    uint32_t *lengths = must(calloc(units, sizeof *lengths), "memory");
    struct isal_zstream *stream = must(calloc(1, sizeof *stream), "memory");
    struct inflate_state *state = must(calloc(1, sizeof *state), "memory");
    if (units == 0 || fread(source, 1, size, file) != size) {
        fprintf(stderr, "isal_pages: %s is too short\n", argv[1]);
        return 1;
    }
    memset(packed, 0, units * slot);
    double *deflated = must(calloc((size_t)rounds, sizeof *deflated), "memory");
    for (int round = 0; round < rounds; round++) {
        kept = refused = 0;
        double started = now();
        for (size_t at = 0; at < units; at++) {
            isal_deflate_stateless_init(stream);
            isal_deflate_set_hufftables(stream, NULL, IGZIP_HUFFTABLE_STATIC);
            stream->end_of_stream = 1;
            stream->flush = NO_FLUSH;
            stream->next_in = source + at * unit;
            stream->avail_in = (uint32_t)unit;
            stream->next_out = packed + at * slot;
            stream->avail_out = (uint32_t)slot;
            if (isal_deflate_stateless(stream) == COMP_OK) {
                lengths[at] = (uint32_t)(slot - stream->avail_out);
                kept += lengths[at];
            } else {
                lengths[at] = 0;
                refused++;
            }
        }
        deflated[round] = (now() - started) / units;
    }
    for (int round = 0; round < rounds; round++) {
        double started = now();
        for (size_t at = 0; at < units; at++) {
            if (lengths[at] == 0)
                continue;
            isal_inflate_init(state);
            state->crc_flag = ISAL_DEFLATE;
            state->next_in = packed + at * slot;
            state->avail_in = lengths[at];
            state->next_out = back;
            state->avail_out = (uint32_t)unit;
            if (isal_inflate_stateless(state) != ISAL_DECOMP_OK || memcmp(back, source + at * unit, 16) != 0) {
                fprintf(stderr, "isal_pages: unit %zu does not come back\n", at);
                return 1;
            }
        }
        printf("%.1f %.1f\n", deflated[round], (now() - started) / units);
    }
    printf("%zu %zu\n", kept, refused);
    return 0;
}
