import MarketModel
import Primitives
import TapeCodec

/// A moment within a bar at which a source began to feed its symbol, or asked for it again. Ticks
/// from before that moment may be missing, so the bar is partial without a gap on record.
struct FeedStart: Hashable, Sendable {
    let source: SourceName
    let provider: String
    let time: Timestamp

    /// Returns what the definitions of a packet say of the symbol. Each packet has them.
    static func all(
        _ header: PacketHeader, _ packet: RawSpan, of symbol: Symbol, within bar: ExplainedBar
    ) -> [FeedStart] {
        var found: [FeedStart] = []
        var walk = PacketWalk(header)
        while let item = walk.next(in: packet) {
            guard case .control(let message) = item,
                let (_, definition) = message.symbolDefinition(in: packet),
                definition.symbol == symbol, definition.since.isDefined,
                definition.since.nanoseconds > bar.key.openTime,
                definition.since.nanoseconds < bar.closeTime
            else { continue }
            found.append(
                FeedStart(
                    source: header.source, provider: definition.provider, time: definition.since))
        }
        return found
    }

    var sentence: String {
        "\(source) began to get it from \(provider), or asked for it again, at \(time): ticks "
            + "from before may be missing"
    }
}
