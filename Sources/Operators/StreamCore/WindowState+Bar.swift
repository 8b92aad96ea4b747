public import MarketModel
internal import Primitives

extension WindowState {
    /// True when the notional left the range of 128 bits: it is held at the range's end then, and
    /// the bar has no VWAP.
    var isNotionalSaturated: Bool { notionalCarry != 0 }

    /// Ticks and exclusions, to tell whether anything was added.
    var changes: UInt64 { trades &+ excluded.total }

    /// A version of its bar. Without a trade that set a price there are no prices in it.
    func bar(_ reason: UInt8, isFinal: Bool = true) -> Bar {
        var bar = heading(reason)
        bar.flags = isFinal ? flags.union(.final) : flags
        bar.setTraded(volume: volume, notional: notional, carry: notionalCarry)
        guard trades > 0 else {
            bar.vwap = .undefined
            return bar
        }
        bar.trades = trades
        bar.open = Price(raw: open)
        // A trade may set the close and not the range: no bar closes outside of it.
        bar.high = Price(raw: max(high, max(open, close)))
        bar.low = Price(raw: min(low, min(open, close)))
        bar.close = Price(raw: close)
        return bar
    }

    /// The version that says that the versions before do not hold, and that nothing took their
    /// place.
    func withdrawnBar(_ reason: UInt8) -> Bar {
        var bar = heading(reason)
        bar.flags = [.final, .withdrawn]
        return bar
    }

    private func heading(_ reason: UInt8) -> Bar {
        var bar = Bar(
            symbol: symbol, series: series, openTime: Timestamp(nanoseconds: start),
            closeTime: Timestamp(nanoseconds: end))
        bar.reason = reason
        bar.excluded = excluded
        return bar
    }
}

extension Price {
    /// notional / volume, rounded half away from zero to 1e-9; undefined when nothing was traded,
    /// or when the quotient is no price.
    ///
    /// One division: 1e-17 divided by 1e-8 is in 1e-9.
    public static func vwap(notional: Int128, volume: Int128) -> Price {
        guard volume > 0 else { return .undefined }
        let (quotient, remainder) = notional.quotientAndRemainder(dividingBy: volume)
        let rest = remainder.magnitude
        // Twice the rest could overflow; the distance to the divisor cannot.
        let isRoundedUp = rest >= volume.magnitude - rest
        let step: Int128 = isRoundedUp ? (notional < 0 ? -1 : 1) : 0
        let (rounded, overflow) = quotient.addingReportingOverflow(step)
        guard !overflow, let raw = Int64(exactly: rounded) else { return .undefined }
        return Price(raw: raw)
    }
}
