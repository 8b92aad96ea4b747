/*
 * tapeline_transport.h: fetches packets of Tapeline's tape, for the Python package.
 *
 * libtapeline_transport.so reads streams of JetStream through libnats. It makes consumers of its own:
 * in memory, without acknowledgements, and ended by the server when nobody pulls. So they hold nothing
 * on the tape. It needs only what deploy/nats/server.conf allows the user `consumer`.
 *
 * A *range* is one consumer on one stream. A *block* is what one fetch returned. A *doubt* is a reason
 * to give up a consumer: a reconnect, a silence, a missed delivery, a refusal. The caller then begins
 * the range again after the last message that it took.
 *
 * ERRORS    A function that can fail returns a code (TAPELINE_TAPE_OK is 0) or NULL, and fills `error`,
 *           which may be NULL. The text is one line for a person, without passwords.
 * MEMORY    Messages of a block belong to the tape, and live until the next fetch, or its close.
 * THREADS   Any thread may call. Calls with one tape wait for each other; a close ends those that wait.
 *           A call with a tape that was closed fails with TAPELINE_TAPE_INVALID. No call comes back into
 *           the caller's code, except `feed`, which calls the decoder's function.
 * FORK      In a child of fork() every call fails, and close does nothing.
 */
#ifndef TAPELINE_TRANSPORT_H
#define TAPELINE_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

#define TAPELINE_TRANSPORT_INTERFACE 2

/* The most ranges of one tape. */
#define TAPELINE_RANGES_MAX 16
/* One pull asks for so many messages and bytes at most, and two pulls of a range are open. All ranges
   together stay below the 64 MiB that nats-server keeps for a connection. */
#define TAPELINE_PULL_MESSAGES 256
#define TAPELINE_PULL_BYTES (1536 * 1024)
/* A block ends with so many messages or bytes. */
#define TAPELINE_BLOCK_MESSAGES 1024
#define TAPELINE_BLOCK_BYTES (8 * 1024 * 1024)

enum {
    TAPELINE_TAPE_OK = 0,
    /* An argument makes no sense, the tape was closed, or the process is a child of fork(). */
    TAPELINE_TAPE_INVALID = 1,
    /* There is no server, or it did not answer in time. Trying again may help. */
    TAPELINE_TAPE_AWAY = 2,
    /* The server refused the user, a certificate or a request: `server_code` has its number. */
    TAPELINE_TAPE_REFUSED = 3,
    /* libnats has given up the connection, or a close ended the call: open another one. */
    TAPELINE_TAPE_CLOSED = 4,
    TAPELINE_TAPE_MEMORY = 5
};

typedef struct tapeline_tape_error {
    int32_t code;
    /* JetStream's err_code; 0: none. */
    int32_t server_code;
    char text[512];
} tapeline_tape_error;

typedef struct tapeline_tape tapeline_tape;

/* NULL: not given. */
typedef struct tapeline_tape_options {
    /* One URL or several with commas, without user and password. */
    const char *url;
    const char *user;
    const char *password;
    /* PEM files. With an authority, or the URL tls://, the link must be encrypted. */
    const char *authority;
    const char *certificate;
    const char *key;
} tapeline_tape_options;

typedef struct tapeline_range {
    const char *stream;
    const char *const *filters;
    size_t filter_count;
    /* The first message: of this sequence; or with sequence 0 the first one that the stream took at this
       time (nanoseconds since 1970 UTC); or with both 0 the first one that is stored. */
    uint64_t sequence;
    int64_t time;
    /* 0, or how many messages are wanted: only one pull of so many is made. */
    int32_t messages_max;
    /* After so many seconds without a pull the server ends the consumer. */
    int32_t idle_seconds;
} tapeline_range;

typedef struct tapeline_range_state {
    /* 0: not begun or ended, 1: reading, 2: doubt (`reason`). */
    int32_t state;
    /* Messages that the consumer has still to deliver, as of the last one. */
    uint64_t pending;
    /* The last message of a block. */
    uint64_t sequence;
    uint64_t delivered;
    char reason[256];
} tapeline_range_state;

typedef struct tapeline_tape_message {
    const uint8_t *bytes;
    const char *subject;
    uint64_t sequence;
    int64_t time;
    uint64_t pending;
    uint32_t count;
    int32_t range;
} tapeline_tape_message;

/* What a block has of one source in one partition and epoch, by the packets' headers, in their order. */
typedef struct tapeline_tape_lane {
    char source[32];
    /* 1 ticks, 2 bars, 3 watermark: then `partition` is the number of the stream. */
    int32_t kind;
    int32_t partition;
    int32_t range;
    /* All flags of the packets together. */
    uint32_t flags;
    uint32_t packets;
    /* The first message, as an index into the block. */
    uint32_t place;
    /* Ordinals of the first packet, and after the last one. */
    uint64_t first_ordinal;
    uint64_t next_ordinal;
    /* Of the first and of the last message. */
    uint64_t first_sequence;
    uint64_t last_sequence;
    int64_t first_time;
    int64_t last_time;
    /* Of the last packet. */
    int64_t watermark;
    uint64_t epoch;
    uint64_t checksum;
    uint64_t last_first_ordinal;
    int64_t sent_time;
} tapeline_tape_lane;

/* The shape of tapeline_decoder_feed, and what it gets. */
typedef struct tapeline_fed {
    uint64_t sequence;
    int64_t stream_time;
    const char *subject;
} tapeline_fed;
typedef int32_t (*tapeline_feed)(
    void *decoder, const uint8_t *packet, size_t count, const tapeline_fed *message, void *error);

uint32_t tapeline_transport_interface(void);

/* Connects; it waits up to 2 s for each server. The link then comes back by itself. */
tapeline_tape *tapeline_tape_open(const tapeline_tape_options *options, tapeline_tape_error *error);

/* Ends the connection after the calls of other threads; the consumers end by themselves. Does nothing
   with NULL and with a tape that was closed. */
void tapeline_tape_close(tapeline_tape *tape);

/* Whether the link is up now. */
int32_t tapeline_tape_is_connected(tapeline_tape *tape);

/* Begins the range `number` (from 0), and gives up its consumer of before. `pending`: how many messages
   it has now. It waits for the server up to about 5 s. */
int32_t tapeline_tape_begin(
    tapeline_tape *tape, int32_t number, const tapeline_range *range, uint64_t *pending,
    tapeline_tape_error *error);

/* Ends a range: nothing more of it comes. */
int32_t tapeline_tape_end(tapeline_tape *tape, int32_t number);

int32_t tapeline_tape_range(tapeline_tape *tape, int32_t number, tapeline_range_state *out);

/* Reads the header of the last packet on a subject of a stream into `lane`, whose `packets` is 1, and 0
   when there is none. It waits for the server up to about 5 s. */
int32_t tapeline_tape_last(
    tapeline_tape *tape, const char *stream, const char *subject, tapeline_tape_lane *lane,
    tapeline_tape_error *error);

/* Waits for messages of all ranges, up to `milliseconds` for the first one, and frees the block of
   before. Returns OK also without a message, after a doubt and while the link is down. */
int32_t tapeline_tape_fetch(tapeline_tape *tape, int32_t milliseconds, tapeline_tape_error *error);

/* The messages of the block, in the order of their delivery, and its lanes. */
size_t tapeline_tape_block(tapeline_tape *tape, const tapeline_tape_message **messages);
size_t tapeline_tape_lanes(tapeline_tape *tape, const tapeline_tape_lane **lanes);

/* Feeds the messages of the block to a decoder, from `place` on, and only those of `range` (-1: all).
   It stops at the first one that the decoder refuses, returns its code, and leaves its index in
   `place`; after the last one it returns 0. */
int32_t tapeline_tape_feed(
    tapeline_tape *tape, int32_t range, tapeline_feed feed, void *decoder, size_t *place, void *error);

#endif
