// SPDX-License-Identifier: Apache-2.0
/*
 * tapeline_decoder.h: ticks, bars and gaps of Tapeline as Arrow columns.
 *
 * libtapeline_decoder.so is the product's own decoder of recordings and of packets of the tape. It
 * hands out columns by the Arrow C data interface and the Arrow C stream interface
 * (https://arrow.apache.org/docs/format/CDataInterface.html), without a copy.
 *
 * ERRORS    A function that can fail returns a code (TAPELINE_OK is 0) or NULL, and fills `error`,
 *           which may be NULL. The text is one line for a person. No bytes and no arguments from
 *           outside end the process.
 * MEMORY    The caller owns every handle and every text that it gets, and frees it by the function
 *           named beside it. Arrays, schemas and streams are freed by their `release`; they stay
 *           valid after the handle that made them is closed. Arguments are copied: nothing that the
 *           caller passes has to live longer than the call. A machine without memory ends the
 *           process.
 * THREADS   Any thread may call. Calls with one handle wait for each other; different handles do not.
 *           `release` may run on any thread. A handle must not be used after it was closed.
 * FORK      After fork(), the child must not use the parent's handles and streams. It may free them.
 *           A reader of a recording and its stream return an error in the child.
 */
#ifndef TAPELINE_DECODER_H
#define TAPELINE_DECODER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ArrowSchema;
struct ArrowArray;
struct ArrowArrayStream;

/* The version of this interface. A higher one keeps all that is here. */
#define TAPELINE_DECODER_INTERFACE 3

/* The most rows of one batch. */
#define TAPELINE_BATCH_ROWS_MAX 65536

/* Codes. */
enum {
    TAPELINE_OK = 0,
    /* An argument makes no sense: NULL, an unknown kind, a name that is none. */
    TAPELINE_INVALID = 1,
    /* A file cannot be read: the system's reason is in the text. */
    TAPELINE_IO = 2,
    /* Bytes are not what they must be: `offset` is the byte of the file, or of the packet. */
    TAPELINE_DAMAGED = 3,
    /* Ordinals `from` to `to` (both included) of `source` in `partition` are missing before this
       packet. No row of the packet was taken. */
    TAPELINE_HOLE = 4,
    /* The packet begins before the ordinal that must come next: `to` is its first ordinal, `from`
       the one that must come next. It came twice, or packets are in the wrong order. */
    TAPELINE_ORDER = 5,
    /* The rows of the packet do not fit into the batch. Nothing was taken: take the batch of each
       kind, then feed the same packet again. */
    TAPELINE_FULL = 6,
    /* A named limit was reached; the text names it. */
    TAPELINE_LIMIT = 7
};

typedef struct tapeline_error {
    int32_t code;
    /* -1: none. */
    int32_t partition;
    /* Ordinals, as the code says; 0: none. */
    uint64_t from;
    uint64_t to;
    /* The sequence that was given to feed; in a recording the number of the packet, from 1. */
    uint64_t sequence;
    /* -1: none. */
    int64_t offset;
    /* The source's name; empty: none. Ends with NUL, as does the text. */
    char source[32];
    char text[1024];
} tapeline_error;

/* What a row is. A recording has bars from version 2 on, unless they were left out. */
enum {
    TAPELINE_TRADES = 1,
    TAPELINE_QUOTES = 2,
    TAPELINE_DEPTH = 3,
    TAPELINE_BARS = 4,
    TAPELINE_GAPS = 5,
    TAPELINE_INDICATORS = 6,
    TAPELINE_PROVIDER_BARS = 7
};

/* Which rows. NULL instead of it means all. */
typedef struct tapeline_selection {
    /* UTF-8 names, each ended by NUL; count 0: all symbols. Gaps of all symbols (symbol NULL)
       always belong to the selection. */
    const char *const *symbols;
    size_t symbol_count;
    /* Sources; count 0: all. */
    const char *const *sources;
    size_t source_count;
    /* Event times in [from, to), nanoseconds since 1970 UTC: of a bar its open_time (of a provider's
       its end), of a gap any time of it that lies in the range. INT64_MIN and INT64_MAX: no limit. A row without an event
       time belongs to it only without limits. */
    int64_t from;
    int64_t to;
    /* TAPELINE_MARK_HOLES or 0. */
    uint32_t flags;
} tapeline_selection;

/* Go on over missing ordinals and list them in the provenance, instead of TAPELINE_HOLE. */
#define TAPELINE_MARK_HOLES 1u

/* Which columns the batches of a stream have, and how. NULL instead of it means all, as listed below. */
typedef struct tapeline_shape {
    /* Names of columns in the wanted order, each once; count 0: all. */
    const char *const *columns;
    size_t column_count;
    /* The zone that the type of times names; NULL: UTC. The times are the same. */
    const char *zone;
    /* TAPELINE_FLOATS and TAPELINE_NUMBERS, or 0. */
    uint32_t flags;
} tapeline_shape;

/* Columns of int64 in 1e-9 or 1e-8 as float64: the integer divided by 1e9 or 1e8. */
#define TAPELINE_FLOATS 1u
/* Columns of dict as uint32: the indexes alone. tapeline_reader_texts has what they mean. */
#define TAPELINE_NUMBERS 2u

/* ---- general ------------------------------------------------------------------------------- */

/* TAPELINE_DECODER_INTERFACE of the library. */
uint32_t tapeline_interface(void);

/* Frees a text that this library returned. NULL is allowed. */
void tapeline_text_free(char *text);

/* Fills `out` with the schema of a kind: a struct of the columns below. The caller releases it. */
int32_t tapeline_schema(int32_t kind, struct ArrowSchema *out, tapeline_error *error);

/* ---- recordings ---------------------------------------------------------------------------- */

/* What a recording says of itself, as JSON (UTF-8), or NULL. Free it by tapeline_text_free:
   {"format":2,"namespace":"md","source":"ibkr","partitions":16,"present":[0,3],"symbols":["AAPL"],
    "from":ns,"to":ns,"created":ns,"bars":[{"partition":0,"from":ns,"to":ns,"closed":ns}]}
   `from`/`to`: the packets were sent in [from, to). `symbols`: empty when all were selected; packets
   are kept complete, so others are there, too. `present`: partitions that have packets. `bars`: null
   if there are none (version 1, or left out); otherwise the partitions whose bars are complete: all
   packets of bars that the tape took in [from, to) are there (`from` null: since the tape began),
   and all bars that close up to `closed` were taken before `to` (null: unknown). Version 1 has no
   known_at. */
char *tapeline_recording_info(const char *path, tapeline_error *error);

/* Reads one kind of a recording. It opens the file and checks its header. NULL: see `error`. */
typedef struct tapeline_reader tapeline_reader;
tapeline_reader *tapeline_reader_open(
    const char *path, int32_t kind, const tapeline_selection *selection, const tapeline_shape *shape,
    tapeline_error *error);

/* Fills `out` with the stream of its batches: once per reader (a second call is TAPELINE_INVALID).
   A batch comes when it is full, when 16 MiB of packets were read for it and it has rows, or at the
   end. The first one comes after the packet with its 4,096th row. No batch is empty. Memory: two
   batches and at most 12 MiB that are read ahead, besides the batches that the caller has not
   released. A thread of the stream reads and checks the file ahead; where the system has none, the
   caller's does. The thread starts with the first batch, and has ended after the last one, after an
   error, and when the release of reader and stream returns. The release may wait for the disk.
   Holes and the order matter only in partitions that can hold the selected symbols.
   The file is checked completely on the way: chain, checksum and every message of every packet, and
   the end. get_next returns EIO (TAPELINE_IO), ENODATA (HOLE) or EINVAL (all others);
   get_last_error the text. After an error each call returns the same error. Rows
   before the error come first. */
int32_t tapeline_reader_stream(
    tapeline_reader *reader, struct ArrowArrayStream *out, tapeline_error *error);

/* Copies the stream's error, so that a caller knows code, source, partition and ordinals. Returns
   its code; TAPELINE_OK when there was none. */
int32_t tapeline_reader_error(tapeline_reader *reader, tapeline_error *error);

/* Fills `out` with the texts of a column of dict, an array of utf8: what the indexes of all batches so
   far mean. The caller releases it. */
int32_t tapeline_reader_texts(
    tapeline_reader *reader, const char *column, struct ArrowArray *out, tapeline_error *error);

/* What was read so far, as JSON (below). Free it by tapeline_text_free. */
char *tapeline_reader_provenance(tapeline_reader *reader);

/* Ends the use of the handle. A stream that was handed out goes on. NULL is allowed. */
void tapeline_reader_close(tapeline_reader *reader);

/* ---- packets of the tape ------------------------------------------------------------------- */

/* Decodes packets that the caller fetched from the tape. `kinds` is a set: 1u << TAPELINE_TRADES |
   1u << TAPELINE_QUOTES ... One decoder takes packets of any partitions and sources; those of one
   partition of one stream (md.ticks or md.bars) in their order. */
typedef struct tapeline_decoder tapeline_decoder;
tapeline_decoder *tapeline_decoder_new(
    uint32_t kinds, const tapeline_selection *selection, tapeline_error *error);

/* The next ordinal of a source in a partition, for a caller that has what is before it. What the
   first packets have below it is skipped; a packet that begins after it is a TAPELINE_HOLE. Without
   it, a source and partition begin with their first packet. For bars the source is that of the
   packet: "operator" or "universe". */
int32_t tapeline_decoder_expect(
    tapeline_decoder *decoder, const char *source, int32_t partition, uint64_t next_ordinal,
    tapeline_error *error);

/* What the transport knows of a message, besides its bytes. */
typedef struct tapeline_message {
    /* JetStream's number in the stream, for errors and the provenance; 0: unknown. */
    uint64_t sequence;
    /* When the stream took it, nanoseconds since 1970 UTC; INT64_MAX: unknown. It is known_at. */
    int64_t stream_time;
    /* NULL, or the subject: then the packet must be of its partition and source. */
    const char *subject;
} tapeline_message;

/* Takes the bytes of one message of md.ticks.*, md.bars.* or md.wm.* (which has no rows). `message`
   may be NULL: nothing is known. The result is a code. After any code but TAPELINE_OK nothing of the
   packet was taken, and the decoder goes on with what is fed next: after TAPELINE_HOLE the same
   packet is refused again, until tapeline_decoder_expect allows it. */
int32_t tapeline_decoder_feed(
    tapeline_decoder *decoder, const uint8_t *packet, size_t count,
    const tapeline_message *message, tapeline_error *error);

/* How many rows of the kind wait to be taken; -1: not a kind of this decoder. */
int64_t tapeline_decoder_rows(tapeline_decoder *decoder, int32_t kind);

/* Moves the rows of a kind into `out`, a struct array of tapeline_schema(kind), and begins a new
   batch. Without rows `out->release` is NULL. */
int32_t tapeline_decoder_take(
    tapeline_decoder *decoder, int32_t kind, struct ArrowArray *out, tapeline_error *error);

/* What was taken so far, as JSON (below). Free it by tapeline_text_free. */
char *tapeline_decoder_provenance(tapeline_decoder *decoder);

/* NULL is allowed. Batches that were taken stay valid. */
void tapeline_decoder_free(tapeline_decoder *decoder);

/*
 * ---- provenance ------------------------------------------------------------------------------
 * {"interface":3,"rows":{"trades":1234},"complete":true,
 *  "lanes":[{"stream":"ticks","source":"ibkr","partition":3,"first":1,"last":9000,"packets":12,
 *            "checksum":"0123456789abcdef","epochs":[1,2],"sequences":[5,31],
 *            "missing":0,"holes":[[101,200]]}]}
 * `complete`: a recording was read to its end (a decoder: always false). `first`, `last`: ordinals of
 * the packets that were taken, of all kinds and symbols. `checksum`: of all their packets: it starts
 * at 0 and becomes XXH3-64 of the packet's own checksum (8 bytes, little endian) with the checksum so
 * far as the seed; two readings of the same packets have the same one. `epochs`, `sequences`: first
 * and last. `missing`: how many ordinals are in holes; `holes`: the first 1,024 of them.
 *
 * ---- columns ---------------------------------------------------------------------------------
 * Times are timestamp[ns, UTC]; undefined is null. dict = dictionary<int32, utf8>; one stream (or
 * decoder) gives a text the same index in all its batches, and a later dictionary begins with the
 * earlier one. Prices are int64 in 1e-9, sizes int64 in 1e-8 (field metadata "scale": "9" or "8");
 * undefined is null. An unknown number of an enumeration is its decimal text. "!" = may be null.
 *
 * trades:  event_time! ts, receive_time! ts, symbol! dict, source dict, provider! dict,
 *          price! int64, size! int64, exchange dict, conditions dict, action dict (new,
 *          correction, cancel), <tail>
 * quotes:  event_time!, receive_time!, symbol!, source, provider!, bid_price! int64, bid_size! int64,
 *          ask_price! int64, ask_size! int64, bid_exchange dict, ask_exchange dict, <tail>
 * depth:   event_time!, receive_time!, symbol!, source, provider!, operation dict (insert, update,
 *          delete, reset), side! dict (ask, bid), position! int64, price! int64, size! int64,
 *          market_maker dict, book_flags uint8, reason! dict (of a reset), <tail>
 *          A reset has no side, position, price and size.
 * gaps:    event_time!, receive_time!, symbol! dict (null: all symbols), source, provider!,
 *          kind dict, reason dict, state dict, from_time! ts, to_time! ts (null: open),
 *          lost_first_ordinal! int64, lost_last_ordinal! int64, detail utf8, <tail>
 * indicators: event_time!, receive_time!, symbol! dict (null: of none), source (of an operator's value
 *          "operator", of one over all partitions "universe"), provider!, name dict, value!
 *          decimal128(38,9) (null: withdrawn), unit dict, period_start! ts, period_end! ts,
 *          revision int64, of_source! dict (of an operator's value: whose ticks it is made of), <tail>
 *          A selection of sources has values by of_source, or else by source.
 * provider_bars: event_time! (its end), receive_time!, symbol!, source, provider!, made_of dict,
 *          open_time! ts, open! high! low! close! vwap! int64, volume! decimal128(38,8), trades! int64,
 *          bar_flags uint8 (bits: 1 in progress, 2 regular hours, 4 made again), <tail>
 * <tail>:  flags uint16, time_resolution uint8 (0 unknown, 1 nanosecond ... 6 day),
 *          provider_id! uint64 (null: none), sent_at! ts (the packet's), known_at! ts (when the
 *          stream took it), partition uint16, epoch int64, ordinal int64
 * bars:    open_time! ts, close_time! ts, symbol! dict, source! dict (of the ticks), series! dict,
 *          number int64, open! high! low! close! vwap! int64, volume! decimal128(38,8),
 *          notional! decimal128(38,17), trades uint64, excluded_condition, excluded_odd_lot,
 *          excluded_filter, excluded_undefined uint32, flags uint8 (bits: 1 partial, 2 final,
 *          4 mixed providers, 8 withdrawn, 16 filled), reason dict (closed, late, bust, gap,
 *          backfill, repair), generation uint32, lateness_ns! int64, sent_at! ts, known_at! ts,
 *          partition uint16, epoch int64, ordinal int64 (the bar's revision)
 *
 * event_time is the provider's time, or the receive time when it gave none. exchange, conditions and
 * market_maker are "" when there is none; a character that is not printable ASCII becomes "?".
 */

#ifdef __cplusplus
}
#endif
#endif
