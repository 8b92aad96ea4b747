package import MarketModel
package import Primitives
package import TapeCodec
package import StreamCore

/// The contents of a partition's tape of bars, read packet by packet: the last version of every
/// bar, and every listed tick.
package struct PublishedOutput: Sendable {
    /// A tick that a series, or a deduplicating node, did not count.
    package struct Listed: Hashable, Sendable {
        package var id: LoggedTick.ID
        package var symbol: SourceSymbol
        package var openTime: Timestamp
    }

    package private(set) var bars: [BarKey: Bar] = [:]
    /// By the name of a series or of a deduplicating node, in order.
    package private(set) var late: [SeriesName: [Listed]] = [:]
    /// Records that cannot be resolved with the definitions of their packet.
    package private(set) var unreadable = 0

    package init() {}

    package mutating func take(_ header: PacketHeader, _ packet: RawSpan) {
        guard header.kind == .bars else { return }
        var walk = PacketWalk(header)
        while let item = walk.next(in: packet) {
            switch item {
            case .bar(let bar):
                guard let symbol = walk.pair(bar.symbol, in: packet),
                    let series = walk.series(bar.series, in: packet)
                else {
                    unreadable += 1
                    continue
                }
                let key = BarKey(
                    symbol: symbol, series: series.name, openTime: bar.openTime,
                    number: bar.number)
                bars[key] = bar.plain
            case .other(let message):
                guard let tick = message.lateTick(in: packet) else { continue }
                guard let symbol = walk.pair(tick.header.symbol, in: packet),
                    let series = walk.series(tick.series, in: packet)
                else {
                    unreadable += 1
                    continue
                }
                late[series.name, default: []].append(
                    Listed(
                        id: LoggedTick.ID(source: tick.source, ordinal: tick.ordinal),
                        symbol: symbol, openTime: tick.openTime))
            case .trade, .quote: unreadable += 1
            case .control: continue
            }
        }
        if walk.damage != nil { unreadable += 1 }
    }
}

extension PacketWalk {
    /// Returns the symbol and source of a packet of bars.
    fileprivate mutating func pair(_ index: UInt32, in packet: RawSpan) -> SourceSymbol? {
        guard let found = symbol(index, in: packet), let source = found.source else { return nil }
        return SourceSymbol(found.symbol, of: source)
    }
}
