package import MarketModel
package import Primitives

// Converts ticks that have their own time to the tape's records. The time is in whole seconds.
extension TradeTick {
    package func trade(
        symbol: UInt32, receivedAt time: Timestamp, flags: TickFlags = []
    ) -> Trade {
        var all = flags
        if attributes.contains(.unreported) { all.insert(.unreported) }
        if attributes.contains(.pastLimit) { all.insert(.pastLimit) }
        return Trade(
            header: header(symbol, self.time, time, all), price: price, size: size,
            exchange: exchange, conditions: conditions)
    }
}

extension QuoteTick {
    package func quote(
        symbol: UInt32, receivedAt time: Timestamp, flags: TickFlags = []
    ) -> Quote {
        Quote(
            header: header(symbol, self.time, time, flags), bidPrice: bidPrice, bidSize: bidSize,
            askPrice: askPrice, askSize: askSize)
    }
}

extension MidpointTick {
    /// Returns the midpoint as a value, not a quote: it is no offer in the market.
    package func indicator(
        symbol: UInt32, receivedAt time: Timestamp, flags: TickFlags = []
    ) -> IndicatorValue? {
        guard price.isDefined else { return nil }
        return IndicatorValue(
            header: header(symbol, self.time, time, flags), name: "ib.midpoint",
            value: Int128(price.raw), periodStart: .undefined, periodEnd: .undefined)
    }
}

extension RealTimeBar {
    /// The nanoseconds of a bar.
    package static let width: Int64 = 5_000_000_000

    /// The bar's event time is its close.
    package func bar(
        symbol: UInt32, receivedAt time: Timestamp, kind: ProviderBarKind, flags: TickFlags = []
    ) -> ProviderBar {
        let end = self.time.advanced(byNanoseconds: Self.width)
        var bar = ProviderBar(
            header: header(symbol, end, time, flags), openTime: self.time, closeTime: end,
            kind: kind)
        bar.open = open
        bar.high = high
        bar.low = low
        bar.close = close
        bar.vwap = vwap
        bar.volume = volume
        bar.trades = trades
        return bar
    }
}

extension DepthMessage {
    /// Returns `nil` for a position that no book has.
    package func update(
        symbol: UInt32, receivedAt time: Timestamp, flags: TickFlags = []
    ) -> DepthUpdate? {
        guard let position = UInt32(exactly: position) else { return nil }
        return DepthUpdate(
            header: TickHeader(
                symbol: symbol, flags: flags, providerTime: .undefined, receiveTime: time),
            position: position, side: side, operation: operation, price: price, size: size,
            marketMaker: marketMaker, flags: self.flags)
    }
}

private func header(
    _ symbol: UInt32, _ providerTime: Timestamp, _ receiveTime: Timestamp, _ flags: TickFlags
) -> TickHeader {
    let resolution: TimeResolution = providerTime.isDefined ? .second : .unknown
    return TickHeader(
        symbol: symbol, flags: flags, resolution: resolution.rawValue, providerTime: providerTime,
        receiveTime: receiveTime)
}
