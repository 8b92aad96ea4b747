internal import MarketModel
internal import Primitives
internal import ProviderModel
internal import TapeCodec

/// Takes a packet of ticks apart into what a provider says.
enum PacketRecords {
    enum Item {
        /// From here on the number stands for this symbol.
        case definition(UInt32, SymbolDefinition)
        case record(ProviderRecord)
        /// It has an ordinal, and is of a kind that no provider delivers.
        case other
    }

    /// Of a packet that was validated, in order.
    static func walk<Failure: Error>(
        _ packet: RecordedPacket, _ visit: (Item) throws(Failure) -> Void
    ) throws(Failure) {
        try packet.bytes.withRawSpan { bytes throws(Failure) in
            var cursor = RecordCursor()
            while let record = cursor.next(in: bytes) {
                switch record {
                case .trade(let trade): try visit(.record(.trade(trade)))
                case .quote(let quote): try visit(.record(.quote(quote)))
                case .bar: try visit(.other)
                case .other(let message):
                    if let (index, definition) = message.symbolDefinition(in: bytes) {
                        try visit(.definition(index, definition))
                    } else if WireFormat.Template.isTick(message.template) {
                        try visit(Self.record(message, in: bytes).map { .record($0) } ?? .other)
                    }
                // A packet that was validated has none.
                case .malformed: return
                }
            }
        }
    }

    private static func record(_ message: MessageBounds, in packet: RawSpan) -> ProviderRecord? {
        if let tick = message.depthUpdate(in: packet) { return .depth(tick) }
        if let tick = message.depthReset(in: packet) { return .depthReset(tick) }
        if let tick = message.providerBar(in: packet) { return .bar(tick) }
        if let tick = message.optionComputation(in: packet) { return .option(tick) }
        if let news = message.newsHeadline(in: packet) { return .news(news) }
        if let bulletin = message.newsBulletin(in: packet) { return .bulletin(bulletin) }
        if let part = message.fundamentalPart(in: packet) { return .fundamental(part) }
        if let value = message.indicatorValue(in: packet) { return .indicator(value) }
        if let record = message.subscriptionRecord(in: packet) { return .subscription(record) }
        if let record = message.gapRecord(in: packet) { return .gap(record) }
        return nil
    }
}

extension ProviderRecord {
    /// The same, later by so many nanoseconds: all times of the market. Periods of indicators are
    /// names of days and stay.
    func moved(byNanoseconds shift: Int64) -> ProviderRecord {
        guard shift != 0 else { return self }
        let moved = changed {
            $0.providerTime = $0.providerTime.moved(byNanoseconds: shift)
            $0.receiveTime = $0.receiveTime.moved(byNanoseconds: shift)
        }
        switch moved {
        case .bar(var bar):
            bar.openTime = bar.openTime.moved(byNanoseconds: shift)
            bar.closeTime = bar.closeTime.moved(byNanoseconds: shift)
            return .bar(bar)
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
