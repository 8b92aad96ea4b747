// The structures that the Python package hands out, as tapeline_arrow.h describes them.

#include "tapeline_arrow.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// Arrow recommends it, and readers copy what is aligned for less than its type.
enum { alignment = 64 };

typedef struct mark {
    // First, because Python reads it here.
    uint64_t number;
    struct mark *next;
} mark;

static atomic_int_fast64_t live;
static _Atomic(mark *) marks;
// Whether a call of `collect` is asked for, and not yet begun.
static atomic_bool is_asked;

typedef int (*adding)(int (*)(void *), void *);
static void *(*capsule_pointer)(void *, const char *);
static _Atomic(adding) add_call;
static int (*collect_marks)(void *);

uint32_t tapeline_arrow_interface(void) { return TAPELINE_ARROW_INTERFACE; }

int64_t tapeline_arrow_live(void) { return atomic_load(&live); }

void tapeline_arrow_begin(
    void *(*pointer)(void *, const char *), adding add, int (*collect)(void *)) {
    capsule_pointer = pointer;
    collect_marks = collect;
    atomic_store(&add_call, add);
}

void tapeline_arrow_end(void) { atomic_store(&add_call, NULL); }

// ---- memory --------------------------------------------------------------------------------------

// Adds the room of so many bytes to a size. False if no memory has that much.
static bool add_room(size_t *size, size_t count, size_t each) {
    size_t bytes;
    if (__builtin_mul_overflow(count, each, &bytes)) return false;
    if (__builtin_add_overflow(bytes, alignment - 1, &bytes)) return false;
    return !__builtin_add_overflow(*size, bytes / alignment * alignment, size);
}

// Takes such room from a block.
static void *take_room(char **at, size_t bytes) {
    void *room = *at;
    *at += (bytes + alignment - 1) / alignment * alignment;
    return room;
}

static char *new_block(size_t size) {
    char *block = aligned_alloc(alignment, size);
    if (block) atomic_fetch_add(&live, 1);
    return block;
}

static void free_block(void *block) {
    free(block);
    atomic_fetch_sub(&live, 1);
}

static const char *take_text(char **at, const char *text) {
    size_t bytes = strlen(text) + 1;
    return memcpy(take_room(at, bytes), text, bytes);
}

// ---- schemas and arrays --------------------------------------------------------------------------

static void release_schema(struct ArrowSchema *schema) {
    for (int64_t i = 0; i < schema->n_children; i++)
        if (schema->children[i]->release) schema->children[i]->release(schema->children[i]);
    if (schema->dictionary && schema->dictionary->release)
        schema->dictionary->release(schema->dictionary);
    schema->release = NULL;
    free_block(schema->private_data);
}

int32_t tapeline_arrow_schema(
    struct ArrowSchema *out, const char *format, const char *name, tapeline_arrow_bytes metadata,
    int64_t flags, int64_t children, int32_t has_dictionary) {
    *out = (struct ArrowSchema){.flags = flags, .n_children = children};
    size_t parts = (size_t)children + (has_dictionary ? 1 : 0);
    size_t size = 0;
    if (children < 0 || !add_room(&size, parts, sizeof *out) ||
        !add_room(&size, parts, sizeof out) || !add_room(&size, strlen(format) + 1, 1) ||
        !add_room(&size, strlen(name) + 1, 1) || !add_room(&size, metadata.count, 1))
        return ENOMEM;
    char *block = new_block(size), *at = block;
    if (!block) return ENOMEM;
    struct ArrowSchema *own = take_room(&at, parts * sizeof *out);
    out->children = take_room(&at, parts * sizeof out);
    memset(own, 0, parts * sizeof *out);
    for (size_t i = 0; i < parts; i++) out->children[i] = &own[i];
    if (has_dictionary) out->dictionary = &own[children];
    out->format = take_text(&at, format);
    out->name = take_text(&at, name);
    if (metadata.bytes)
        out->metadata = memcpy(take_room(&at, metadata.count), metadata.bytes, metadata.count);
    out->private_data = block;
    out->release = release_schema;
    return 0;
}

static void release_array(struct ArrowArray *array) {
    for (int64_t i = 0; i < array->n_children; i++)
        if (array->children[i]->release) array->children[i]->release(array->children[i]);
    if (array->dictionary && array->dictionary->release)
        array->dictionary->release(array->dictionary);
    array->release = NULL;
    free_block(array->private_data);
}

int32_t tapeline_arrow_array(
    struct ArrowArray *out, int64_t length, int64_t nulls, const tapeline_arrow_bytes *buffers,
    int64_t buffer_count, int64_t children, int32_t has_dictionary) {
    *out = (struct ArrowArray){
        .length = length, .null_count = nulls, .n_buffers = buffer_count, .n_children = children};
    size_t parts = (size_t)children + (has_dictionary ? 1 : 0);
    size_t size = 0;
    if (children < 0 || buffer_count < 0 || !add_room(&size, parts, sizeof *out) ||
        !add_room(&size, parts, sizeof out) ||
        !add_room(&size, (size_t)buffer_count, sizeof *out->buffers))
        return ENOMEM;
    // Also an empty buffer has an address.
    for (int64_t i = 0; i < buffer_count; i++)
        if (buffers[i].bytes && (!add_room(&size, buffers[i].count, 1) || !add_room(&size, 1, 1)))
            return ENOMEM;
    char *block = new_block(size), *at = block;
    if (!block) return ENOMEM;
    struct ArrowArray *own = take_room(&at, parts * sizeof *out);
    out->children = take_room(&at, parts * sizeof out);
    out->buffers = take_room(&at, (size_t)buffer_count * sizeof *out->buffers);
    memset(own, 0, parts * sizeof *out);
    for (size_t i = 0; i < parts; i++) out->children[i] = &own[i];
    if (has_dictionary) out->dictionary = &own[children];
    for (int64_t i = 0; i < buffer_count; i++) {
        size_t count = buffers[i].count;
        out->buffers[i] = NULL;
        if (buffers[i].bytes)
            out->buffers[i] = memcpy(take_room(&at, count ? count : 1), buffers[i].bytes, count);
    }
    out->private_data = block;
    out->release = release_array;
    return 0;
}

// ---- streams -------------------------------------------------------------------------------------

static void push(mark *first, mark *last) {
    mark *before = atomic_load(&marks);
    do last->next = before;
    while (!atomic_compare_exchange_weak(&marks, &before, first));
}

static void release_stream(struct ArrowArrayStream *stream) {
    mark *own = stream->private_data;
    stream->release = NULL;
    push(own, own);
    adding add = atomic_load(&add_call);
    // Python has a short list of calls. When it is full, the next reading collects the mark.
    if (add && !atomic_exchange(&is_asked, true) && add(collect_marks, NULL))
        atomic_store(&is_asked, false);
}

size_t tapeline_arrow_collect(uint64_t *numbers, size_t count) {
    // First: what is released from now on asks for another call.
    atomic_store(&is_asked, false);
    mark *rest = atomic_exchange(&marks, NULL);
    size_t taken = 0;
    while (rest && taken < count) {
        mark *own = rest;
        numbers[taken++] = own->number;
        rest = own->next;
        free_block(own);
    }
    if (rest) {
        mark *last = rest;
        while (last->next) last = last->next;
        push(rest, last);
    }
    return taken;
}

int32_t tapeline_arrow_stream(
    struct ArrowArrayStream *out, uint64_t number,
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *),
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *),
    const char *(*get_last_error)(struct ArrowArrayStream *)) {
    size_t size = 0;
    mark *own = add_room(&size, 1, sizeof *own) ? (mark *)new_block(size) : NULL;
    *out = (struct ArrowArrayStream){0};
    if (!own) return ENOMEM;
    *own = (mark){.number = number};
    *out = (struct ArrowArrayStream){get_schema, get_next, get_last_error, release_stream, own};
    return 0;
}

struct ArrowArrayStream *tapeline_arrow_place(void) {
    return calloc(1, sizeof(struct ArrowArrayStream));
}

void tapeline_arrow_capsule_freed(void *capsule) {
    struct ArrowArrayStream *stream = capsule_pointer(capsule, "arrow_array_stream");
    if (stream && stream->release) stream->release(stream);
    free(stream);
}
