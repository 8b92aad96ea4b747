import MarketModel
import Primitives
import ServiceRuntime
import TapeTransport

/// Quotes that wait while quotes are conflated.
extension SourceTenure {
    /// Puts those on their way that have waited for long enough; all of them when there is room
    /// again, or nothing more will come.
    func releaseQuotes(all: Bool) {
        if !held.isEmpty {
            let symbols = all ? held.symbols : held.due(now: clock.monotonic().nanoseconds)
            for symbol in symbols { _ = release(symbol) }
        }
        held.settle()
    }

    /// False: there is no room for it now.
    func release(_ symbol: Int) -> Bool {
        guard var quote = held.quote(symbol) else { return true }
        let place = place(of: symbol)
        guard !publisher.isFull(lane: place.lane) || makeRoom(lane: place.lane) else {
            return false
        }
        _ = held.remove(symbol)
        quote.header.symbol = place.symbol
        append(publisher.append(quote, lane: place.lane))
        backpressure.tookQuote(symbol: symbol, time: quote.header.eventTime)
        return true
    }

    /// The quote that is due waits; one of its symbol that waited before is left out.
    func hold(_ symbol: Int, _ now: Timestamp) {
        _ = place(of: symbol)
        guard let record = supply.take(received: now) else { return }
        guard case .tape(.quote(var quote)) = record, symbol < lanes.places.count else {
            preconditionFailure("only a quote of a known symbol is held")
        }
        if !isRecorded, time.refuses(quote.header) {
            _ = refuse(.quote(quote), symbol, now)
            return
        }
        if held.quote(symbol) != nil { quote.header.flags.insert(.conflated) }
        let before = held.hold(quote, symbol: symbol, now: clock.monotonic().nanoseconds)
        if let before { leaveOut(before, symbol) }
    }

    /// A quote is taken: one of its symbol that waited is older, and is left out.
    func leaveOutHeld(before quote: inout Quote, _ symbol: Int) {
        guard !held.isEmpty, let older = held.remove(symbol) else { return }
        quote.header.flags.insert(.conflated)
        leaveOut(older, symbol)
    }

    private func leaveOut(_ quote: Quote, _ symbol: Int) {
        parts.metrics.leftOut(.quote).add()
        gaps.leftOut(
            symbol: symbol, kind: .quote, time: quote.header.eventTime,
            now: clock.monotonic().nanoseconds)
    }

    /// No watermark of the lane may pass what is missing and not on record, nor what waits.
    func hold(lane: Int) -> Timestamp { min(gaps.hold(lane: lane), held.hold(lane: lane)) }
}
