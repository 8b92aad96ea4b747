import MarketModel
import PostgresClient
import Primitives
import TapeCodec
import TapeProtocol

/// Which of the two inputs of a partition.
enum SinkInput: String, Sendable, CaseIterable {
    case ticks
    case bars
}

/// The position of one input of one partition, as it stands, or is to stand, in the database.
struct SinkPosition: Sendable {
    let input: SinkInput
    let partition: Partition
    /// Raised by the claim; who comes with a lower one is fenced.
    var ownerEpoch: Int64
    /// nil: nothing was read yet.
    var position: TapePosition?
    /// What became of the ordinals of each source, in total.
    var sources: [SourceAccount] = []
    /// Met since the position was advanced last.
    var gaps: [SinkGap] = []
    /// Who claimed it last, as the row says.
    var owner = ""

    struct SourceAccount: Sendable {
        let source: SourceName
        var firstOrdinal: UInt64
        /// The last one that is accounted for.
        var lastOrdinal: UInt64
        var written: UInt64
        var skipped: UInt64
        var deadLettered: UInt64 = 0
        /// Of its last packet that was read; 0: not known.
        var epoch: UInt64 = 0
        /// The last one on the tape at the position: below `lastOrdinal` while the tape gives
        /// ordinals out again that were stored before.
        var tapeOrdinal: UInt64
        var givenTwice: UInt64 = 0
    }

    func account(_ source: SourceName) -> SourceAccount? {
        sources.first { $0.source == source }
    }

    /// Takes a packet into the account: its ticks, what is missing before them, and what of them
    /// was stored before. The reader has proven that a hole is on the tape itself.
    mutating func add(_ header: PacketHeader, _ count: TickCount) {
        let last = header.nextOrdinal &- 1
        guard let index = sources.firstIndex(where: { $0.source == header.source }) else {
            guard header.tickCount > 0 else { return }
            sources.append(
                SourceAccount(
                    source: header.source, firstOrdinal: header.firstOrdinal, lastOrdinal: last,
                    written: count.written, skipped: count.skipped,
                    deadLettered: count.deadLettered, epoch: header.epoch, tapeOrdinal: last))
            return
        }
        let known = sources[index]
        note(.hole, header, max(known.lastOrdinal, known.tapeOrdinal) &+ 1, header.firstOrdinal)
        note(
            .givenTwice, header, header.firstOrdinal,
            min(known.lastOrdinal &+ 1, header.nextOrdinal))
        sources[index].lastOrdinal = max(known.lastOrdinal, last)
        sources[index].tapeOrdinal = last
        sources[index].epoch = header.epoch
        sources[index].written += count.written
        sources[index].skipped += count.skipped
        sources[index].deadLettered += count.deadLettered
        sources[index].givenTwice += count.givenTwice
    }

    /// The ordinals from `first` up to, and without, `end`, if there are any.
    private mutating func note(
        _ reason: SinkGap.Reason, _ header: PacketHeader, _ first: UInt64, _ end: UInt64
    ) {
        guard first < end else { return }
        gaps.append(
            SinkGap(
                source: header.source, ordinals: first...(end - 1), reason: reason,
                epoch: header.epoch))
    }

    /// As `advance_positions` takes it.
    func write(into json: inout JSONWriter) {
        guard let position else { return }
        json.object { json in
            json.member("input", input.rawValue)
            json.member("partition", partition.number)
            json.member("owner_epoch", ownerEpoch)
            json.member("stream_created_ns", position.streamCreated.nanoseconds)
            json.member("sequence", position.sequence)
            json.member("packet_epoch", position.packet.epoch)
            json.member("packet_ordinal", position.packet.firstOrdinal)
            json.member("packet_crc", Int64(bitPattern: position.packet.checksum))
            json.member(
                "sources",
                array: { json in for source in sources { write(source, into: &json) } })
            guard !gaps.isEmpty else { return }
            json.member("gaps", array: { json in for gap in gaps { gap.write(into: &json) } })
        }
    }

    private func write(_ account: SourceAccount, into json: inout JSONWriter) {
        json.object { json in
            json.member("source", account.source.text)
            json.member("first_ordinal", account.firstOrdinal)
            json.member("last_ordinal", account.lastOrdinal)
            json.member("written", account.written)
            json.member("dead_lettered", account.deadLettered)
            json.member("skipped", account.skipped)
            json.member("epoch", account.epoch)
            json.member("tape_ordinal", account.tapeOrdinal)
            json.member("given_twice", account.givenTwice)
        }
    }
}
