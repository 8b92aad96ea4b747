import MarketModel
import QuestDBWire
import StoreHTTP
import StoreIntents
import StoreSinks

@testable import StoreWriter

/// A server whose rows have keys: one that comes again replaces the row with its keys. It reads
/// source, ordinal and time of the lines that it gets.
final class KeyedTables: WorldServer {
    private struct Row: Hashable {
        let table: String
        let source: String
        let ordinal: Int64
        let time: String
        /// The other keys of a gap.
        var rest: [String] = []
        /// The last ordinal of a gap.
        var last: Int64 = 0
    }

    let peer = "the tables"
    let settingNames = "none"
    let tablesSeen = ""
    weak var world: BlockWorld?
    private var rows: Set<Row> = []
    private var refused: Set<Int64>
    /// How many blocks came again, in whole or in part.
    private(set) var dropped = 0
    var insertNanoseconds: Int64 = 0
    private(set) var refusedSends: [String: Int] = [:]
    /// It has rows in its memory alone, until its host loses power: when it has said so, or before
    /// a call. Then it comes back as it was before, without them.
    var isUnsafe = false
    private var unsafe: Set<Row> = []
    /// So often it is asked until its tables show what it has answered for.
    var lags = 0

    var gaps: [ClosedRange<Int64>] {
        rows.filter { $0.table == "ordinal_gaps" }.map { $0.ordinal...$0.last }
    }

    init(refusing refused: Set<Int64>) { self.refused = refused }

    func mend() { refused = [] }

    func problem() throws(StoreServerError) -> String? { nil }

    func identity() throws(StoreServerError) -> String { "one" }

    func confirm() throws(StoreServerError) {
        guard isUnsafe else { return }
        losePower()
        throw StoreServerError("cairo.commit.mode is nosync", .schema)
    }

    private func losePower() {
        rows.subtract(unsafe)
        (isUnsafe, unsafe) = (false, [])
    }

    func lag(behind mark: inout [String: Int]?) -> String? {
        mark = mark ?? ["trades": 7]
        guard lags > 0 else { return nil }
        lags -= 1
        return "\(peer) lag behind \(mark ?? [:])"
    }

    func insert(_ given: any StoreBlock, token: String) throws(StoreServerError) {
        guard let block = given as? LineBlock else { preconditionFailure("another block") }
        let fate = world?.fate(.insert) ?? .well
        let killed = StoreServerError("killed", .away)
        if fate == .killedBefore {
            losePower()
            throw killed
        }
        world?.pass(insertNanoseconds)
        let isOfGaps = block.tableName == "ordinal_gaps"
        let found = (0..<block.rowCount).map { row in
            // Numbers in their binary form may have any bytes.
            let line = String(decoding: block.rows(row..<row + 1).body, as: UTF8.self)
            return Row(
                table: block.tableName, source: Self.value("source=", of: line),
                ordinal: Self.number(isOfGaps ? "first_ordinal=" : "ordinal=", of: line),
                time: line.split(separator: " ").last.map { String($0) } ?? "",
                rest: isOfGaps
                    ? QuestDBTable.gaps.keys.map { Self.value("\($0)=", of: line) } : [],
                last: isOfGaps ? Self.number("last_ordinal=", of: line) : 0)
        }
        if !isOfGaps, found.contains(where: { refused.contains($0.ordinal) }) {
            refusedSends["\(block.tableName) \(token)", default: 0] += 1
            throw StoreServerError("a constraint", .rows)
        }
        if !rows.isDisjoint(with: found) { dropped += 1 }
        if isUnsafe { unsafe.formUnion(Set(found).subtracting(rows)) }
        rows.formUnion(found)
        if fate == .killedAfter { throw killed }
    }

    private static func value(_ name: String, of line: String) -> String {
        guard let place = line.firstRange(of: name) else { return "" }
        return String(line[place.upperBound...].prefix { $0 != "," && $0 != " " })
    }

    private static func number(_ name: String, of line: String) -> Int64 {
        Int64(value(name, of: line).dropLast()) ?? -1
    }

    func ordinals(
        of ranges: [OrdinalRange], _ place: SinkPlace
    ) throws(StoreServerError) -> [SourceName: [UInt64]] {
        if lags > 0 { return [:] }
        return ordinals(
            of: ranges,
            from: rows.reduce(into: [:]) { $0[$1.table, default: []].insert($1.ordinal) })
    }

    func named(
        by packet: TapePacket, in ranges: [SourceName: ClosedRange<UInt64>], _ place: SinkPlace
    ) throws(StoreServerError) -> [SourceName: [ClosedRange<UInt64>]] {
        ranges.mapValues { range in
            gaps.map { UInt64($0.lowerBound)...UInt64($0.upperBound) }
                .filter { $0.overlaps(range) }
        }
    }

    func ordinals(_ table: String) -> [Int64: Int] {
        rows.reduce(into: [:]) { if $1.table == table { $0[$1.ordinal, default: 0] += 1 } }
    }
}
