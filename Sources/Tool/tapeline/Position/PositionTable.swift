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

    var lines: [String] {
        let head =
            "\("GROUP".padded(to: 9)) \("INPUT".padded(to: 5)) PART "
            + "\("SEQUENCE".leftPadded(to: 11)) \("EPOCH".leftPadded(to: 6)) "
            + "\("ORDINAL".leftPadded(to: 11)) \("AGE".leftPadded(to: 7))  STATE"
        return [head] + rows.flatMap { lines(of: $0) }
    }

    private func lines(of row: Row) -> [String] {
        let position = row.position
        let packet = position.packet
        let detail = row.state.detail.isEmpty ? "" : ": \(row.state.detail)"
        let first =
            "\(position.group.rawValue.padded(to: 9)) \(position.input.rawValue.padded(to: 5)) "
            + "\("\(position.partition)".leftPadded(to: 4)) "
            + "\((packet.map { "\($0.sequence)" } ?? "start").leftPadded(to: 11)) "
            + "\((packet.map { "\($0.identity.epoch)" } ?? "-").leftPadded(to: 6)) "
            + "\((packet.map { "\($0.identity.firstOrdinal)" } ?? "-").leftPadded(to: 11)) "
            + "\(position.moved.age(at: now).leftPadded(to: 7))  \(row.state.name)\(detail)"
        guard position.hasRead else { return [first] }
        let sources = position.sources.map { "\($0.source) \($0.lastOrdinal)" }
        let checksum = packet.map { "checksum \(Self.hex($0.identity.checksum)); " } ?? ""
        return [first, "          \(checksum)last ordinals: \(sources.joined(separator: ", "))"]
    }

    static func hex(_ value: UInt64) -> String {
        let digits = String(value, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    func json() -> String {
        JSONWriter.objectText { writer in
            writer.member("holds", isFine)
            writer.member("positions", each: rows, write)
        }
    }

    private func write(_ row: Row, _ writer: inout JSONWriter) {
        let position = row.position
        writer.member("group", position.group.rawValue)
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
