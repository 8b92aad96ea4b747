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
                    written: count.written, skipped: count.skipped, epoch: header.epoch,
                    tapeOrdinal: last))
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
            json.member("dead_lettered", 0)
            json.member("skipped", account.skipped)
            json.member("epoch", account.epoch)
            json.member("tape_ordinal", account.tapeOrdinal)
            json.member("given_twice", account.givenTwice)
        }
    }
}

// MARK: from the database

extension SinkPosition {
    private static let columns = """
        owner_epoch, stream_created_ns, sequence, packet_epoch, packet_ordinal, packet_crc, sources
        """

    /// Takes the partition over: whoever owned it before is fenced from here on.
    static func claim(
        _ input: SinkInput, _ partition: Partition, owner: String, on database: PostgresConnection,
        timeout: Duration
    ) throws -> SinkPosition {
        let result = try database.execute(
            "SELECT \(columns) FROM claim_position($1, $2, $3::integer, 1, $4)",
            [
                .text(WriterSettings.sink), .text(input.rawValue),
                .integer(Int64(partition.number)), .text(owner),
            ], timeout: timeout)
        var claimed = try SinkPosition(input, partition, result)
        claimed.owner = owner
        return claimed
    }

    /// Reads what stands, without taking it over: after a lost connection.
    static func read(
        _ input: SinkInput, _ partition: Partition, on database: PostgresConnection,
        timeout: Duration
    ) throws -> SinkPosition {
        let result = try database.execute(
            """
            SELECT p.owner_epoch, p.stream_created_ns, p.sequence, p.packet_epoch,
                p.packet_ordinal, p.packet_crc,
                coalesce((SELECT jsonb_agg(to_jsonb(s) ORDER BY s.source)
                    FROM sink_source_ordinals s
                    WHERE (s.sink, s.input, s.partition) = (p.sink, p.input, p.partition)),
                    '[]') AS sources, p.owner
            FROM sink_positions p WHERE p.sink = $1 AND p.input = $2 AND p.partition = $3::integer
            """,
            [
                .text(WriterSettings.sink), .text(input.rawValue),
                .integer(Int64(partition.number)),
            ], timeout: timeout)
        return try SinkPosition(input, partition, result)
    }

    struct Unreadable: Error, CustomStringConvertible {
        let input: SinkInput
        let partition: Partition

        var description: String {
            "the position of \(input) in partition \(partition) cannot be read from "
                + "sink_positions: run 'store-writer migrate'"
        }
    }

    private init(
        _ input: SinkInput, _ partition: Partition, _ result: PostgresResult
    ) throws {
        self.input = input
        self.partition = partition
        guard result.rowCount == 1, let epoch = result.integer(0, 0),
            let sequence = result.integer(0, 2).flatMap({ UInt64(exactly: $0) })
        else { throw Unreadable(input: input, partition: partition) }
        ownerEpoch = epoch
        sources = try Self.accounts(result[0, 6] ?? "[]")
        owner = result.columns.count > 7 ? result[0, 7] ?? "" : ""
        let ordinals = sources.map {
            SourceOrdinal(source: $0.source, epoch: $0.epoch, lastOrdinal: $0.tapeOrdinal)
        }
        guard sequence > 0 else {
            // From the start of the tape, but not from the start of its sources.
            if !sources.isEmpty { position = .start(sources: ordinals) }
            return
        }
        guard let created = result.integer(0, 1), let packetEpoch = result.integer(0, 3),
            let ordinal = result.integer(0, 4), let checksum = result.integer(0, 5)
        else { throw Unreadable(input: input, partition: partition) }
        position = TapePosition(
            streamCreated: Timestamp(nanoseconds: created), sequence: sequence,
            packet: PacketIdentity(
                epoch: UInt64(bitPattern: packetEpoch), firstOrdinal: UInt64(bitPattern: ordinal),
                checksum: UInt64(bitPattern: checksum)),
            sources: ordinals)
    }

    private static func accounts(_ text: String) throws -> [SourceAccount] {
        try (JSONValue.parse(text).array ?? []).compactMap { entry in
            guard let source = entry["source"]?.string.flatMap({ SourceName($0) }),
                let first = entry["first_ordinal"]?.uint64,
                let last = entry["last_ordinal"]?.uint64
            else { return nil }
            return SourceAccount(
                source: source, firstOrdinal: first, lastOrdinal: last,
                written: entry["written"]?.uint64 ?? 0, skipped: entry["skipped"]?.uint64 ?? 0,
                epoch: entry["epoch"]?.uint64 ?? 0,
                tapeOrdinal: entry["tape_ordinal"]?.uint64 ?? last,
                givenTwice: entry["given_twice"]?.uint64 ?? 0)
        }
    }
}
