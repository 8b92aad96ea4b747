import MarketModel
import PostgresClient
import Primitives
import StoreSinks
import TapeCodec
import TapeProtocol

/// One input of one partition: the key of a row of `sink_positions`.
struct SinkPlace: Hashable, Sendable, Comparable {
    let input: SinkInput
    let partition: Partition

    static func < (left: SinkPlace, right: SinkPlace) -> Bool {
        (left.partition, left.input.rawValue) < (right.partition, right.input.rawValue)
    }
}

/// A request to become the owner of a row of `sink_positions`.
struct SinkClaim: Sendable {
    let place: SinkPlace
    /// The epoch that the row has at least after the claim: that of the membership's record.
    let epoch: UInt64
    /// The row's epoch after the worker's last claim, for a repeated claim: it is refused if
    /// another owner has claimed the row since. `nil` for the first claim of a tenure, which is
    /// never refused.
    let knownEpoch: Int64?

    fileprivate func write(into json: inout JSONWriter) {
        json.object { json in
            json.member("input", place.input.rawValue)
            json.member("partition", place.partition.number)
            json.member("epoch", Int64(clamping: max(1, epoch)))
            json.key("known_epoch")
            if let knownEpoch { json.value(knownEpoch) } else { json.null() }
        }
    }
}

/// A row of `sink_positions`, as a claim or a query returned it.
struct SinkRow: Sendable {
    let position: SinkPosition
    /// False when the claim was refused, because another owner has the row; true for a query.
    let isClaimed: Bool
    /// Why the place cannot be read and written yet; `nil`: it can.
    var waits: ClaimWait?

    var place: SinkPlace { SinkPlace(input: position.input, partition: position.partition) }
}

/// A claim that fences earlier owners, and has to be repeated later.
struct ClaimWait: Sendable {
    let until: MonotonicTime
    /// One line.
    let reason: String
}

/// Who claims positions.
struct SinkOwner: Sendable {
    var name: String
    /// The tables that it writes; `nil`: as before.
    var tables: [SinkName]?
}

extension SinkPosition {
    /// Claims rows in one round trip. Earlier owners are fenced from then on. Waits for a
    /// transaction of an earlier owner that is just being committed.
    static func claim(
        _ claims: [SinkClaim], of sink: String, by owner: SinkOwner,
        on database: PostgresConnection, timeout: Duration
    ) throws(StoreError) -> [SinkRow] {
        var json = JSONWriter(capacity: 64 * claims.count)
        json.array { json in for claim in claims { claim.write(into: &json) } }
        let result = try StoreError.using { () throws(PostgresError) in
            try database.execute(
                "SELECT \(columns) FROM claim_positions($1, $2::jsonb, $3, $4)",
                [
                    .text(sink), .text(json.text), .text(owner.name),
                    owner.tables.map { .textArray($0.map(\.rawValue)) } ?? .null,
                ], timeout: timeout)
        }
        return try rows(result, of: claims.map(\.place))
    }

    /// Reads rows without claiming them. Throws when one of the places has none.
    static func read(
        _ places: [SinkPlace], of sink: String, on database: PostgresConnection, timeout: Duration
    ) throws(StoreError) -> [SinkRow] {
        var json = JSONWriter(capacity: 64 * places.count)
        json.array { json in
            for place in places {
                json.object { json in
                    json.member("input", place.input.rawValue)
                    json.member("partition", place.partition.number)
                }
            }
        }
        let result = try StoreError.using { () throws(PostgresError) in
            try database.execute(
                standing, [.text(sink), .text(json.text)], timeout: timeout)
        }
        return try rows(result, of: places)
    }

    private static let columns = """
        input, partition, is_claimed, owner, owner_epoch, stream_created_ns, sequence, \
        packet_epoch, packet_ordinal, packet_crc, sources, tape_time_ns, apart
        """

    /// Selects the rows of $2, a JSON list of inputs and partitions.
    private static let standing = """
        SELECT \(columns) FROM (
            SELECT p.input, p.partition, true AS is_claimed, p.owner, p.owner_epoch,
                p.stream_created_ns, p.sequence, p.packet_epoch, p.packet_ordinal, p.packet_crc,
                coalesce((SELECT jsonb_agg(to_jsonb(s) ORDER BY s.source)
                    FROM sink_source_ordinals s
                    WHERE (s.sink, s.input, s.partition) = (p.sink, p.input, p.partition)),
                    '[]') AS sources, p.tape_time_ns, '[]'::jsonb AS apart
            FROM sink_positions p
            JOIN jsonb_to_recordset($2::jsonb) AS w(input text, partition integer)
                USING (input, partition)
            WHERE p.sink = $1) AS standing
        """

    /// Reads the rows of an answer. Throws when one of the places has none.
    private static func rows(
        _ result: PostgresResult, of places: [SinkPlace]
    ) throws(StoreError) -> [SinkRow] {
        let rows = try (0..<result.rowCount).map { number throws(StoreError) in
            try row(result, number, of: places)
        }
        let found = Set(rows.map(\.place))
        let missing = places.filter { !found.contains($0) }
        guard missing.isEmpty else { throw .unreadable(missing) }
        return rows
    }

    private static func row(
        _ result: PostgresResult, _ row: Int, of places: [SinkPlace]
    ) throws(StoreError) -> SinkRow {
        guard let input = result[row, 0].flatMap({ SinkInput(rawValue: $0) }),
            let number = result.integer(row, 1).flatMap({ Int(exactly: $0) }),
            (0..<Partition.countRange.upperBound).contains(number),
            let epoch = result.integer(row, 4),
            let sequence = result.integer(row, 6).flatMap({ UInt64(exactly: $0) })
        else { throw .unreadable(places) }
        let place = SinkPlace(input: input, partition: Partition(number))
        let sources = try accounts(result[row, 10] ?? "[]", of: place)
        var found = SinkPosition(input: input, partition: place.partition, ownerEpoch: epoch)
        found.sources = sources
        found.owner = result[row, 3] ?? ""
        found.apart.waiting = try groups(result[row, 12] ?? "[]", of: place)
        if let time = result.integer(row, 11) { found.tapeTime = Timestamp(nanoseconds: time) }
        let ordinals = sources.map {
            SourceOrdinal(source: $0.source, epoch: $0.epoch, lastOrdinal: $0.tapeOrdinal)
        }
        let answer = { SinkRow(position: found, isClaimed: result[row, 2] == "t") }
        guard sequence > 0 else {
            // No packet was stored yet, or a person has set the position to the start of the tape.
            // Reading begins there. Ordinals of known sources must follow their `tapeOrdinal`.
            if !sources.isEmpty { found.position = .start(sources: ordinals) }
            return answer()
        }
        guard let created = result.integer(row, 5), let packetEpoch = result.integer(row, 7),
            let ordinal = result.integer(row, 8), let checksum = result.integer(row, 9)
        else { throw .unreadable(places) }
        found.position = TapePosition(
            streamCreated: Timestamp(nanoseconds: created), sequence: sequence,
            packet: PacketIdentity(
                epoch: UInt64(bitPattern: packetEpoch), firstOrdinal: UInt64(bitPattern: ordinal),
                checksum: UInt64(bitPattern: checksum)),
            sources: ordinals)
        return answer()
    }

    /// Reads the groups of tables that wait apart. Throws when one of them cannot be read.
    private static func groups(
        _ text: String, of place: SinkPlace
    ) throws(StoreError) -> [TableGroup: ApartGroup] {
        var groups: [TableGroup: ApartGroup] = [:]
        for entry in try entries(text, of: place) {
            guard let name = entry["table_group"]?.string.flatMap({ TableGroup(rawValue: $0) }),
                let group = ApartGroup(entry, place)
            else { throw .unreadable([place]) }
            groups[name] = group
        }
        return groups
    }

    /// Returns the positions of a group of tables at those of the places where it waits apart.
    static func read(
        _ group: TableGroup, at places: [SinkPlace], of sink: String,
        on database: PostgresConnection, timeout: Duration
    ) throws(StoreError) -> [SinkRow] {
        let result = try StoreError.using { () throws(PostgresError) in
            try database.execute(
                """
                SELECT jsonb_agg(to_jsonb(g)) FROM apart_groups g
                WHERE (g.sink, g.table_group) = ($1, $2)
                """, [.text(sink), .text(group.rawValue)], timeout: timeout)
        }
        var rows: [SinkRow] = []
        for entry in try entries(result.scalar ?? "[]", of: places.first) {
            guard let input = entry["input"]?.string.flatMap({ SinkInput(rawValue: $0) }),
                let number = entry["partition"]?.uint64.flatMap({ Int(exactly: $0) }),
                (0..<Partition.countRange.upperBound).contains(number)
            else { throw .unreadable(places) }
            let place = SinkPlace(input: input, partition: Partition(number))
            guard places.contains(place) else { continue }
            guard let own = ApartGroup(entry, place) else { throw .unreadable([place]) }
            rows.append(SinkRow(position: own.position, isClaimed: true))
        }
        return rows
    }

    /// Reads a list.
    private static func entries(
        _ text: String, of place: SinkPlace?
    ) throws(StoreError) -> [JSONValue] {
        let entries: [JSONValue]?
        do throws(JSONError) {
            entries = try JSONValue.parse(text).array
        } catch {
            entries = nil
        }
        guard let entries else { throw .unreadable(place.map { [$0] } ?? []) }
        return entries
    }

    /// Reads the sources of a position. Throws when one of them cannot be read, because the next
    /// COMMIT would replace its counts.
    static func accounts(
        _ text: String, of place: SinkPlace
    ) throws(StoreError) -> [SourceAccount] {
        let entries = try entries(text, of: place)
        let accounts = entries.compactMap { SourceAccount($0) }
        guard accounts.count == entries.count else { throw .unreadable([place]) }
        return accounts
    }
}

extension SinkPosition.SourceAccount {
    /// Reads a row of `sink_source_ordinals`; `nil` when one of its values cannot be read.
    init?(_ row: JSONValue) {
        guard let source = row["source"]?.string.flatMap({ SourceName($0) }),
            let first = row["first_ordinal"]?.uint64, let last = row["last_ordinal"]?.uint64,
            let written = row["written"]?.uint64, let skipped = row["skipped"]?.uint64,
            let deadLettered = row["dead_lettered"]?.uint64, let epoch = row["epoch"]?.uint64,
            let tapeOrdinal = row["tape_ordinal"], let givenTwice = row["given_twice"]?.uint64,
            let apart = row["apart"]?.uint64
        else { return nil }
        // Without an ordinal of its own, the tape is where the store is.
        guard let tape = tapeOrdinal == .null ? last : tapeOrdinal.uint64 else { return nil }
        self.init(
            source: source, firstOrdinal: first, lastOrdinal: last, written: written,
            skipped: skipped, deadLettered: deadLettered, epoch: epoch, tapeOrdinal: tape,
            givenTwice: givenTwice, apart: apart)
    }
}
