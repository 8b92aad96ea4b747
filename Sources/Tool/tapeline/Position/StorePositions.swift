import MarketModel
import Membership
import PostgresClient
import Primitives
import TapeCodec

/// The positions of a store, as its database has them.
struct StorePositions {
    private static let moved = SQLState(rawValue: "TL004")

    private let store: GroupName
    private let database: PostgresConnection

    init(_ store: GroupName, _ database: PostgresConnection) {
        self.store = store
        self.database = database
    }

    private static let query = """
        SELECT p.input, p.partition, p.owner, p.stream_created_ns, p.sequence, p.packet_epoch,
            p.packet_ordinal, p.packet_crc,
            (extract(epoch FROM p.advanced_at) * 1000000)::bigint AS moved_us,
            coalesce((SELECT jsonb_agg(jsonb_build_object('source', s.source, 'last_ordinal',
                    s.last_ordinal, 'tape_ordinal', s.tape_ordinal, 'epoch', s.epoch)
                    ORDER BY s.source)
                FROM sink_source_ordinals s
                WHERE (s.sink, s.input, s.partition) = (p.sink, p.input, p.partition)), '[]'),
            p.tape_time_ns,
            (SELECT jsonb_agg(jsonb_build_object('group', g.table_group, 'table', g.table_name,
                    'reason', g.reason) ORDER BY g.table_group)
                FROM apart_groups g
                WHERE (g.sink, g.input, g.partition) = (p.sink, p.input, p.partition))
        FROM sink_positions p WHERE p.sink = $1 ORDER BY p.input DESC, p.partition
        """

    /// Throws when the database is that of another store.
    func positions() throws -> [GroupPosition] {
        let other = try database.execute(
            "SELECT min(sink) FROM sink_positions WHERE sink <> $1", [.text(store.text)],
            timeout: Deployment.statementTimeout
        ).scalar
        if let other {
            throw ToolError.refused(
                "the database that is named is that of \(other), not of \(store): set STORE_NAME")
        }
        let rows = try database.execute(
            Self.query, [.text(store.text)], timeout: Deployment.statementTimeout)
        return try (0..<rows.rowCount).map { try position(rows, $0) }
    }

    private func position(_ rows: PostgresResult, _ row: Int) throws -> GroupPosition {
        guard let input = rows[row, 0].flatMap(TapeInput.init), let number = rows.integer(row, 1),
            let sequence = rows.integer(row, 4).flatMap({ UInt64(exactly: $0) })
        else { throw ToolError.unreadable("sink_positions holds a row that is no position") }
        var position = GroupPosition(
            group: store, input: input, partition: Partition(Int(number)))
        position.owner = rows[row, 2] ?? ""
        if let moved = rows.integer(row, 8) {
            position.moved = Timestamp(nanoseconds: moved.multipliedReportingOverflow(by: 1_000).0)
        }
        position.sources = try Self.sources(rows[row, 9] ?? "[]")
        if let time = rows.integer(row, 10) {
            position.tapeTime = Timestamp(nanoseconds: time)
        }
        position.apart = try Self.apart(rows[row, 11] ?? "[]")
        if sequence > 0, let created = rows.integer(row, 3), let epoch = rows.integer(row, 5),
            let ordinal = rows.integer(row, 6), let checksum = rows.integer(row, 7)
        {
            position.packet = GroupPosition.Packet(
                streamCreated: Timestamp(nanoseconds: created), sequence: sequence,
                identity: PacketIdentity(
                    epoch: UInt64(bitPattern: epoch), firstOrdinal: UInt64(bitPattern: ordinal),
                    checksum: UInt64(bitPattern: checksum)))
        }
        return position
    }

    private static func sources(_ text: String) throws -> [GroupPosition.Source] {
        try (JSONValue.parse(text).array ?? []).compactMap { GroupPosition.Source($0) }
    }

    private static func apart(_ text: String) throws -> [GroupPosition.TablesApart] {
        try (JSONValue.parse(text).array ?? []).map { entry in
            guard let group = entry["group"]?.string, let table = entry["table"]?.string,
                let reason = entry["reason"]?.string
            else { throw ToolError.unreadable("apart_groups holds a row that is no group") }
            return GroupPosition.TablesApart(group: group, table: table, reason: reason)
        }
    }

    // MARK: accepting

    /// Stores the new position in one transaction, and only if the old one is still the one that
    /// was read. Groups of tables that wait apart there are given up.
    func accept(_ acceptance: Acceptance) throws(ToolError) {
        try change(
            acceptance.position,
            "SELECT accept_position($1, $2, $3::integer, $5::jsonb, $6::jsonb, $7::jsonb, "
                + "p_apart => $4::jsonb)",
            [
                .text(Self.seen(acceptance.position)), .text(Self.accepted(acceptance)),
                .text(Self.gaps(acceptance)),
            ])
    }

    /// Gives up the groups of tables that wait apart at a position, if they are still those that
    /// were read. The position stays.
    func giveUpApart(at position: GroupPosition) throws(ToolError) {
        try change(position, "SELECT give_up_apart($1, $2, $3::integer, $4::jsonb)", [])
    }

    private func change(
        _ position: GroupPosition, _ statement: String, _ values: [PostgresValue]
    ) throws(ToolError) {
        var groups = JSONWriter()
        groups.array { json in for tables in position.apart { json.value(tables.group) } }
        do throws(PostgresError) {
            try database.execute(
                statement,
                [
                    .text(store.text), .text(position.input.rawValue),
                    .integer(Int64(position.partition.number)), .text(groups.text),
                ] + values, timeout: Deployment.statementTimeout)
        } catch {
            if error.serverError?.sqlState == Self.moved {
                throw .refused(
                    "the position of \(position.input) in partition \(position.partition) moved, "
                        + "or other tables wait apart there, since this was asked: nothing was "
                        + "changed there; run it again")
            }
            throw .refused("the position was not changed: \(error)")
        }
    }

    static func seen(_ position: GroupPosition) -> String {
        JSONWriter.made { json in
            json.member("sequence", position.packet?.sequence ?? 0)
            if let packet = position.packet {
                json.member("stream_created_ns", packet.streamCreated.nanoseconds)
                json.member("packet_crc", Int64(bitPattern: packet.identity.checksum))
            }
            json.member("sources", each: position.sources) { source, json in
                json.member("source", source.source.text)
                json.member("last_ordinal", source.lastOrdinal)
            }
        }.text
    }

    static func accepted(_ acceptance: Acceptance) -> String {
        JSONWriter.made { json in
            json.member("sequence", acceptance.packet?.sequence ?? 0)
            if acceptance.isRestored { json.member("is_restored", true) }
            if let packet = acceptance.packet {
                json.member("stream_created_ns", packet.streamCreated.nanoseconds)
                json.member("packet_epoch", Int64(bitPattern: packet.identity.epoch))
                json.member("packet_ordinal", Int64(bitPattern: packet.identity.firstOrdinal))
                json.member("packet_crc", Int64(bitPattern: packet.identity.checksum))
            }
            json.member("sources", each: acceptance.changes) { change, json in
                json.member("source", change.source.text)
                json.member("last_ordinal", change.lastOrdinal)
                json.member("epoch", change.epoch)
                json.member("tape_ordinal", change.tapeOrdinal)
            }
        }.text
    }

    /// Returns the gaps for what is given up. The writer itself records repeated ordinals when it
    /// reads them.
    static func gaps(_ acceptance: Acceptance) -> String {
        var json = JSONWriter()
        json.array { json in
            for change in acceptance.changes {
                guard let lost = change.lost else { continue }
                json.object { json in
                    json.member("source", change.source.text)
                    json.member("first_ordinal", lost.lowerBound)
                    json.member("last_ordinal", lost.upperBound)
                    json.member("reason", "tape_lost")
                    json.member("detail", "accepted by a person")
                }
            }
        }
        return json.text
    }
}
