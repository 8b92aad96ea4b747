/*
 * tapeline_arrow.h: what the Python package hands out by the Arrow C data interface.
 *
 * Consumers release what they got on any thread, without Python's lock, and while an exception of
 * Python is raised. Nothing written in Python may run then, so the release functions are these of
 * libtapeline_arrow.so. It calls two functions of Python's C interface, whose addresses it gets.
 *
 * SCHEMAS, ARRAYS  are copies, and hold nothing of Python. Releasing them frees them.
 * STREAMS          read from Python. Releasing one leaves a mark, its number. Python collects marks:
 *                  when a stream is read or made, and by a call that a mark asks the main thread for.
 * MEMORY           The marks are the streams' own memory, so there are never more than streams.
 * THREADS          Any thread may call anything, also in a child of fork(). Nothing waits for a lock.
 */
#ifndef TAPELINE_ARROW_RELEASE_H
#define TAPELINE_ARROW_RELEASE_H

#include <stddef.h>
#include <stdint.h>

#include "../../C/CDecoder/arrow.h"

#define TAPELINE_ARROW_INTERFACE 2

/* The bytes that a structure gets. `bytes` NULL: it has no such buffer. */
typedef struct tapeline_arrow_bytes {
    const void *bytes;
    size_t count;
} tapeline_arrow_bytes;

uint32_t tapeline_arrow_interface(void);

/* Tells PyCapsule_GetPointer, Py_AddPendingCall, and what is called by the latter after a release. */
void tapeline_arrow_begin(
    void *(*pointer)(void *, const char *), int (*add)(int (*)(void *), void *), int (*collect)(void *));

/* Python ends: nothing is called by Py_AddPendingCall any more. */
void tapeline_arrow_end(void);

/* How many schemas, arrays and streams are not released, and streams whose marks nobody collected. */
int64_t tapeline_arrow_live(void);

/* Writes a schema with copies of the texts, and with children and a dictionary for the caller to write.
   Those that it does not write are skipped by the release. Returns 0, or ENOMEM. */
int32_t tapeline_arrow_schema(
    struct ArrowSchema *out, const char *format, const char *name, tapeline_arrow_bytes metadata,
    int64_t flags, int64_t children, int32_t has_dictionary);

/* The same for an array with copies of the buffers. */
int32_t tapeline_arrow_array(
    struct ArrowArray *out, int64_t length, int64_t nulls, const tapeline_arrow_bytes *buffers,
    int64_t buffer_count, int64_t children, int32_t has_dictionary);

/* Writes a stream of this number, which is not 0. `private_data` points at the number. Returns 0, or
   ENOMEM. */
int32_t tapeline_arrow_stream(
    struct ArrowArrayStream *out, uint64_t number,
    int (*get_schema)(struct ArrowArrayStream *, struct ArrowSchema *),
    int (*get_next)(struct ArrowArrayStream *, struct ArrowArray *),
    const char *(*get_last_error)(struct ArrowArrayStream *));

/* Memory for the stream of a capsule, zeroed; NULL without memory. */
struct ArrowArrayStream *tapeline_arrow_place(void);

/* The destructor of the capsule: releases a stream that nobody took, and frees the memory. */
void tapeline_arrow_capsule_freed(void *capsule);

/* Takes marks, up to `count`. Returns how many numbers it wrote: fewer than `count` are all. */
size_t tapeline_arrow_collect(uint64_t *numbers, size_t count);

#endif
