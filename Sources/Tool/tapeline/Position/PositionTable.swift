import Membership
import MarketModel
import Primitives
import TapeCodec

/// Positions and their states, as a table or as JSON.
struct PositionTable {
    struct Row {
        let position: GroupPosition
        let state: PositionState
    }

    let rows: [Row]
    let now: Timestamp

    var isFine: Bool { rows.allSatisfy(\.state.isFine) }

    private static let columns = FixedColumns(9, 5, -4, -11, -6, -11, -7, 0)

    var lines: [String] {
        let head = Self.columns.line(
            "GROUP", "INPUT", "PART", "SEQUENCE", "EPOCH", "ORDINAL", "AGE", " STATE")
        return [head] + rows.flatMap { lines(of: $0) }
    }

    private func lines(of row: Row) -> [String] {
        let position = row.position
        let packet = position.packet
        let detail = row.state.detail.isEmpty ? "" : ": \(row.state.detail)"
        let first = Self.columns.line(
            position.group.text, position.input.rawValue, "\(position.partition)",
            packet.map { "\($0.sequence)" } ?? "start",
            packet.map { "\($0.identity.epoch)" } ?? "-",
            packet.map { "\($0.identity.firstOrdinal)" } ?? "-", position.moved.age(at: now),
            " \(row.state.name)\(detail)")
        let apart = position.apart.map {
            "          the tables of \($0.group) wait apart: \($0.table): \(oneLine($0.reason))"
        }
        guard position.hasRead else { return [first] + apart }
        let sources = position.sources.map { "\($0.source) \($0.lastOrdinal)" }
        let checksum = packet.map { "checksum \(Self.hex($0.identity.checksum)); " } ?? ""
        return [first, "          \(checksum)last ordinals: \(sources.joined(separator: ", "))"]
            + apart
    }

    static func hex(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    func json() -> String {
        JSONWriter.made { writer in
            writer.member("holds", isFine)
            writer.member("positions", each: rows, write)
        }.text
    }

    private func write(_ row: Row, _ writer: inout JSONWriter) {
        let position = row.position
        writer.member("group", position.group.text)
        writer.member("input", position.input.rawValue)
        writer.member("partition", position.partition.number)
        writer.member("sequence", position.packet?.sequence ?? 0)
        if let packet = position.packet {
            writer.member("epoch", packet.identity.epoch)
            writer.member("ordinal", packet.identity.firstOrdinal)
            writer.member("checksum", Self.hex(packet.identity.checksum))
            writer.member("stream_created", packet.streamCreated.description)
        }
        if position.moved.isDefined { writer.member("moved", position.moved.description) }
        if !position.owner.isEmpty { writer.member("owner", position.owner) }
        writer.member("state", row.state.name)
        writer.member("holds", row.state.isFine)
        writer.member("detail", row.state.detail)
        writer.member("sources", each: position.sources) { source, writer in
            writer.member("source", source.source.text)
            writer.member("last_ordinal", source.lastOrdinal)
            writer.member("tape_ordinal", source.tapeOrdinal)
            writer.member("epoch", source.epoch)
        }
        writer.member("apart", each: position.apart) { tables, writer in
            writer.member("group", tables.group)
            writer.member("table", tables.table)
            writer.member("reason", tables.reason)
        }
    }
}

extension Timestamp {
    /// Returns the age as readable text, such as "0.4 s" or "12 min"; "-" if unknown.
    func age(at now: Timestamp) -> String {
        guard isDefined else { return "-" }
        let seconds = Double(max(0, now.nanoseconds(since: self))) / 1e9
        switch seconds {
        case ..<10: return "\((seconds * 10).rounded() / 10) s"
        case ..<600: return "\(Int(seconds)) s"
        case ..<36_000: return "\(Int(seconds / 60)) min"
        case ..<864_000: return "\(Int(seconds / 3_600)) h"
        default: return "\(Int(seconds / 86_400)) d"
        }
    }
}
