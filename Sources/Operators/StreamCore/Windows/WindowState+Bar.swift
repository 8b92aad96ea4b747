public import MarketModel
internal import Primitives

extension WindowState {
    /// Whether the notional left the range of 128 bits. Then the bar gets the end of the range as
    /// notional, and has no VWAP.
    var isNotionalSaturated: Bool { notionalCarry != 0 }

    /// The number of ticks, with those that set no price. It grows with each tick, so a changed
    /// number means a changed window.
    var changes: UInt64 { trades &+ excluded.total }

    /// Returns a version of the window's bar, with a raw `BarReason`. The bar has no prices if no
    /// trade set one.
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
        // A trade may set the close and not the range. The range is widened, so that no bar closes
        // outside of it.
        bar.high = Price(raw: max(high, max(open, close)))
        bar.low = Price(raw: min(low, min(open, close)))
        bar.close = Price(raw: close)
        return bar
    }

    /// Returns the version that withdraws the earlier versions without a replacement.
    func withdrawnBar(_ reason: UInt8) -> Bar {
        var bar = heading(reason)
        bar.flags = [.final, .withdrawn]
        return bar
    }

    /// Returns the fields that all versions of the bar have in common.
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
    /// Returns notional / volume, rounded half away from zero to 1e-9; undefined when nothing was
    /// traded, or when the quotient does not fit a price.
    ///
    /// A notional is in 1e-17 and a volume in 1e-8, so their quotient is in 1e-9, as prices are.
    public static func vwap(notional: Int128, volume: Int128) -> Price {
        guard volume > 0 else { return .undefined }
        let (quotient, remainder) = notional.quotientAndRemainder(dividingBy: volume)
        let rest = remainder.magnitude
        // Twice the remainder could overflow; its distance to the divisor cannot.
        let isRoundedUp = rest >= volume.magnitude - rest
        let step: Int128 = isRoundedUp ? (notional < 0 ? -1 : 1) : 0
        let (rounded, overflow) = quotient.addingReportingOverflow(step)
        guard !overflow, let raw = Int64(exactly: rounded) else { return .undefined }
        return Price(raw: raw)
    }
}
