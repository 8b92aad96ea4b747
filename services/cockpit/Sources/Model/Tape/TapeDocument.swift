import MarketModel
import Primitives
import TapeCodec
import TapeProtocol

/// Packets of the tape for the page that shows them.
struct TapeDocument {
    let question: TapeQuestion
    let names: TapeNames
    /// The sequence from which was read. `nil`: there is nothing on the subject.
    let from: UInt64?
    /// The newest packet of the subject.
    let newest: (sequence: UInt64, time: Timestamp)?
    let packets: [SeenPacket]
    /// Whether the time for one answer was over before all were read.
    let isCut: Bool
    /// When it was read, by the wall clock.
    let time: Timestamp

    var json: [UInt8] {
        JSONWriter.made(capacity: 32_768) { writer in
            writer.member("stream", question.stream(names))
            writer.member("subject", question.subject(names))
            writer.member("partition", question.partition.number)
            writer.member("time", time.description)
            if let symbol = question.symbol { writer.member("symbol", symbol.text) }
            if let from { writer.member("from", from) }
            if let newest {
                writer.object("newest") { writer in
                    writer.member("sequence", newest.sequence)
                    writer.member("time", newest.time.description)
                }
            }
            writer.member("cut", isCut)
            writer.array("packets") { for packet in packets { write(packet, &$0) } }
        }.bytes
    }

    private func write(_ packet: SeenPacket, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("sequence", packet.sequence)
            writer.member("subject", OverviewMaker.line(packet.subject))
            writer.member("time", packet.time.description)
            writer.member("bytes", packet.byteCount)
            writer.member("hex", Self.hex(packet.bytes))
            if let problem = packet.problem {
                writer.member("problem", OverviewMaker.line(problem))
            }
            if let header = packet.header { write(header, packet.flags, &writer) }
            if let marker = packet.marker { write(marker, &writer) }
            writer.array("ticks") { for tick in packet.ticks { write(tick, &$0) } }
            writer.member("more", packet.more)
        }
    }

    /// Names and values in the order in which people read them.
    private func write(_ header: PacketHeader, _ flags: [String], _ writer: inout JSONWriter) {
        let count = UInt64(header.tickCount)
        let last = count > 0 ? " to \(header.firstOrdinal &+ count &- 1)" : ""
        let values = [
            ("source", header.source.text), ("partition", "\(header.partition)"),
            ("epoch", "\(header.epoch)"), ("ordinals", "\(header.firstOrdinal)\(last)"),
            ("ticks", "\(header.tickCount)"), ("kind", "\(header.kind)"),
            ("flags", flags.isEmpty ? "none" : flags.joined(separator: ", ")),
            ("watermark", Self.text(header.watermark)), ("sent", Self.text(header.sendTime)),
            ("checksum", "0x\(String(header.checksum, radix: 16))"),
        ]
        writer.array("header") { for (name, value) in values { Self.pair(name, value, &$0) } }
    }

    private func write(_ marker: EpochMarker, _ writer: inout JSONWriter) {
        let values = [
            ("start_ordinal", "\(marker.startOrdinal)"),
            ("previous_epoch", "\(marker.previousEpoch)"),
            ("previous_sequence", "\(marker.previousSequence)"),
        ]
        writer.array("marker") { for (name, value) in values { Self.pair(name, value, &$0) } }
    }

    private func write(_ tick: SeenPacket.Tick, _ writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("kind", tick.kind)
            writer.member("symbol", OverviewMaker.line(tick.symbol))
            writer.member("time", Self.text(tick.time))
            if let ordinal = tick.ordinal { writer.member("ordinal", "\(ordinal)") }
            writer.array("fields") { writer in
                for field in tick.fields { Self.pair(field.name, field.text, &writer) }
            }
        }
    }

    private static func pair(_ name: String, _ value: String, _ writer: inout JSONWriter) {
        writer.array { writer in
            writer.value(name)
            writer.value(OverviewMaker.line(value))
        }
    }

    private static func text(_ time: Timestamp) -> String {
        time.isDefined ? time.description : "none"
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count * 2)
        for byte in bytes {
            text.append(digits[Int(byte >> 4)])
            text.append(digits[Int(byte & 15)])
        }
        return String(decoding: text, as: UTF8.self)
    }
}
