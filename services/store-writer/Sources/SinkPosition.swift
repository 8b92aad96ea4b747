import MarketModel
import PostgresClient
import Primitives
import TapeCodec

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

    struct SourceAccount: Sendable {
        let source: SourceName
        var firstOrdinal: UInt64
        var lastOrdinal: UInt64
        var written: UInt64
        var skipped: UInt64
    }

    /// Takes the ticks of a packet into the account.
    mutating func add(_ header: PacketHeader, _ count: TickCount) {
        guard header.tickCount > 0 else { return }
        let last = header.nextOrdinal &- 1
        if let index = sources.firstIndex(where: { $0.source == header.source }) {
            sources[index].lastOrdinal = last
            sources[index].written += count.written
            sources[index].skipped += count.skipped
        } else {
            sources.append(
                SourceAccount(
                    source: header.source, firstOrdinal: header.firstOrdinal, lastOrdinal: last,
                    written: count.written, skipped: count.skipped))
        }
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
        return try SinkPosition(input, partition, result)
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
                    '[]') AS sources
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
        guard sequence > 0 else { return }
        guard let created = result.integer(0, 1), let packetEpoch = result.integer(0, 3),
            let ordinal = result.integer(0, 4), let checksum = result.integer(0, 5)
        else { throw Unreadable(input: input, partition: partition) }
        position = TapePosition(
            streamCreated: Timestamp(nanoseconds: created), sequence: sequence,
            packet: PacketIdentity(
                epoch: UInt64(bitPattern: packetEpoch), firstOrdinal: UInt64(bitPattern: ordinal),
                checksum: UInt64(bitPattern: checksum)),
            sources: sources.map {
                SourceOrdinal(
                    source: $0.source, epoch: 0, lastOrdinal: $0.lastOrdinal)
            })
    }

    private static func accounts(_ text: String) throws -> [SourceAccount] {
        try (JSONValue.parse(text).array ?? []).compactMap { entry in
            guard let source = entry["source"]?.string.flatMap({ SourceName($0) }),
                let first = entry["first_ordinal"]?.uint64,
                let last = entry["last_ordinal"]?.uint64
            else { return nil }
            return SourceAccount(
                source: source, firstOrdinal: first, lastOrdinal: last,
                written: entry["written"]?.uint64 ?? 0, skipped: entry["skipped"]?.uint64 ?? 0)
        }
    }
}
