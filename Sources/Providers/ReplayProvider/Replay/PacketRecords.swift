internal import MarketModel
internal import Primitives
internal import Recordings
internal import TapeCodec

/// Converts a packet of ticks into the records of a provider.
enum PacketRecords {
    enum Item {
        /// From here on the number means this symbol.
        case definition(UInt32, SymbolDefinition)
        case record(TapeRecord)
        /// A record with an ordinal, of a kind that no provider delivers.
        case other
    }

    /// Walks over the records of a validated packet, in order.
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
                    case .repair, .tradeChange, .action, .bar, .lateTick, nil: try visit(.other)
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
    /// Returns the record with all market times moved by this many nanoseconds. Periods of
    /// indicators name days and stay.
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
    /// Returns the moved time. An undefined time stays undefined.
    func moved(byNanoseconds shift: Int64) -> Timestamp {
        isDefined && nanoseconds != Int64.min ? advanced(byNanoseconds: shift) : self
    }
}

extension RoundLot {
    /// Returns the lot that becomes valid so much later.
    func moved(byNanoseconds shift: Int64) -> RoundLot? {
        RoundLot(size, from: from.moved(byNanoseconds: shift), before: before)
    }
}
