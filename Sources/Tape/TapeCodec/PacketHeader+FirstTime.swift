internal import MarketModel
package import Primitives

extension PacketHeader {
    /// Returns the earliest event time of the packet's trades and quotes; `nil` when there is none.
    package func firstTime(in packet: RawSpan) -> Timestamp? {
        var first = Timestamp.undefined
        var walk = PacketWalk(self)
        while let item = walk.next(in: packet) {
            switch item {
            case .trade(let trade): first = min(first, trade.header.eventTime)
            case .quote(let quote): first = min(first, quote.header.eventTime)
            case .bar, .other, .control: continue
            }
        }
        return first.isDefined ? first : nil
    }
}
