import MarketModel
import Primitives
import ServiceRuntime
import TapeTransport

/// Quotes that wait while quotes are conflated.
extension SourceTenure {
    /// Releases the quotes that have waited for long enough. With `all` it releases all of them,
    /// because there is room again or no more records will come.
    func releaseQuotes(all: Bool) {
        if !inflow.held.isEmpty {
            let symbols =
                all ? inflow.held.symbols : inflow.held.due(now: clock.monotonic().nanoseconds)
            for symbol in symbols { _ = release(symbol) }
        }
        inflow.held.settle()
    }

    /// Appends the symbol's held quote to its lane. Returns false when there is no room for it now.
    func release(_ symbol: Int) -> Bool {
        guard var quote = inflow.held.quote(symbol) else { return true }
        let place = place(of: symbol)
        guard !outflow.publisher.isFull(lane: place.lane) || makeRoom(lane: place.lane) else {
            return false
        }
        _ = inflow.held.remove(symbol)
        quote.header.symbol = place.symbol
        append(outflow.publisher.append(quote, lane: place.lane))
        inflow.backpressure.tookQuote(symbol: symbol, time: quote.header.eventTime)
        return true
    }

    /// Holds the quote that is due. An older quote of the symbol that waited is left out.
    func hold(_ symbol: Int, _ now: Timestamp) {
        _ = place(of: symbol)
        guard let record = inflow.ticks.take() else { return }
        guard case .tape(.quote(var quote)) = record, symbol < outflow.lanes.places.count else {
            preconditionFailure("only a quote of a known symbol is held")
        }
        if !inflow.isRecorded, inflow.time.refuses(quote.header) {
            _ = refuse(.quote(quote), symbol, now)
            return
        }
        if inflow.held.quote(symbol) != nil { quote.header.flags.insert(.conflated) }
        let before = inflow.held.hold(quote, symbol: symbol, now: clock.monotonic().nanoseconds)
        if let before { leaveOut(before, symbol) }
    }

    /// Leaves out the held quote of the symbol, which is older than the quote that is being taken.
    func leaveOutHeld(before quote: inout Quote, _ symbol: Int) {
        guard !inflow.held.isEmpty, let older = inflow.held.remove(symbol) else { return }
        quote.header.flags.insert(.conflated)
        leaveOut(older, symbol)
    }

    private func leaveOut(_ quote: Quote, _ symbol: Int) {
        parts.metrics.leftOut(.quote).add()
        ledgers.gaps.leftOut(
            symbol: symbol, kind: .quote, time: quote.header.eventTime,
            now: clock.monotonic().nanoseconds)
    }

    /// Returns the time that no watermark of the lane may pass, because of gaps that are not
    /// recorded and of quotes that wait.
    func hold(lane: Int) -> Timestamp {
        min(ledgers.gaps.hold(lane: lane), inflow.held.hold(lane: lane))
    }
}
