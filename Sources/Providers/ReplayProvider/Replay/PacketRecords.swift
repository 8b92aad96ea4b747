internal import MarketModel
internal import Primitives
internal import TapeCodec

/// Takes a packet of ticks apart into what a provider says.
enum PacketRecords {
    enum Item {
        /// From here on the number stands for this symbol.
        case definition(UInt32, SymbolDefinition)
        case record(TapeRecord)
        /// It has an ordinal, and is of a kind that no provider delivers.
        case other
    }

    /// Of a packet that was validated, in order.
    static func walk<Failure: Error>(
        _ packet: RecordedPacket, _ visit: (Item) throws(Failure) -> Void
    ) throws(Failure) {
        try packet.bytes.withRawSpan { bytes throws(Failure) in
            var walk = PacketWalk(packet.header)
            while let item = walk.next(in: bytes) {
                switch item {
                case .trade(let trade): try visit(.record(.trade(trade)))
                case .quote(let quote): try visit(.record(.quote(quote)))
                case .bar: try visit(.other)
                case .other(let message):
                    switch TapeRecord(message, in: bytes) {
                    case .repair, .bar, .lateTick, nil: try visit(.other)
                    case let record?: try visit(.record(record))
                    }
                case .control(let message):
                    guard let found = message.symbolDefinition(in: bytes) else { continue }
                    try visit(.definition(found.index, found.definition))
                }
            }
        }
    }
}

extension TapeRecord {
    /// The same, later by so many nanoseconds: all times of the market. Periods of indicators are
    /// names of days and stay.
    func moved(byNanoseconds shift: Int64) -> TapeRecord {
        guard shift != 0 else { return self }
        let moved = changed {
            $0.providerTime = $0.providerTime.moved(byNanoseconds: shift)
            $0.receiveTime = $0.receiveTime.moved(byNanoseconds: shift)
        }
        switch moved {
        case .providerBar(var bar):
            bar.openTime = bar.openTime.moved(byNanoseconds: shift)
            bar.closeTime = bar.closeTime.moved(byNanoseconds: shift)
            return .providerBar(bar)
        case .gap(var gap):
            gap.from = gap.from.moved(byNanoseconds: shift)
            gap.to = gap.to.moved(byNanoseconds: shift)
            return .gap(gap)
        default: return moved
        }
    }
}

extension Timestamp {
    /// What is no time stays as it is.
    func moved(byNanoseconds shift: Int64) -> Timestamp {
        isDefined && nanoseconds != Int64.min ? advanced(byNanoseconds: shift) : self
    }
}
