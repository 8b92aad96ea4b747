// Columns of the packets that are read: the trades of each batch are made, handed out and given back.
#include "BareTape.h"
#include "arrow.h"
#include "tapeline_decoder.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

static struct {
    __typeof__(tapeline_decoder_new) *new;
    __typeof__(tapeline_decoder_feed) *feed;
    __typeof__(tapeline_decoder_take) *take;
    tapeline_decoder *decoder;
    int64_t rows;
} library;

static void *function(void *handle, const char *name) {
    void *found = dlsym(handle, name);
    if (found) return found;
    fprintf(stderr, "the library has no %s\n", name);
    exit(1);
}

void open_decoder(const char *path) {
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    library.new = function(handle, "tapeline_decoder_new");
    library.feed = function(handle, "tapeline_decoder_feed");
    library.take = function(handle, "tapeline_decoder_take");
    library.decoder = library.new(1u << TAPELINE_TRADES, NULL, NULL);
}

static void take(void) {
    struct ArrowArray batch;
    if (library.take(library.decoder, TAPELINE_TRADES, &batch, NULL) != TAPELINE_OK) exit(1);
    if (!batch.release) return;
    library.rows += batch.length;
    batch.release(&batch);
}

void decode(const char *packet, int bytes, const char *subject) {
    tapeline_error error;
    tapeline_message message = {.stream_time = INT64_MAX, .subject = subject};
    const uint8_t *start = (const uint8_t *)packet;
    int32_t code = library.feed(library.decoder, start, (size_t)bytes, &message, &error);
    if (code == TAPELINE_FULL) {
        take();
        code = library.feed(library.decoder, start, (size_t)bytes, &message, &error);
    }
    if (code == TAPELINE_OK) return;
    fprintf(stderr, "%s\n", error.text);
    exit(1);
}

int64_t decoded_rows(void) {
    take();
    return library.rows;
}
