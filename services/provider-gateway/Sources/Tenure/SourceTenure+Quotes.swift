import MarketModel
import Primitives
import ServiceRuntime
import TapeTransport

/// Held quotes: quotes that wait because their policy is `conflate` and there is little room.
extension SourceTenure {
    /// Releases the quotes that have waited for long enough. With `all` it releases all of them,
    /// because there is room again or no more records will come.
    func releaseQuotes(all: Bool) {
        if !inflow.held.isEmpty {
            let symbols =
                all ? inflow.held.symbols : inflow.held.due(now: clock.monotonic())
            for symbol in symbols { _ = release(symbol) }
        }
        inflow.held.settle()
    }

    /// Appends the symbol's held quote to its lane. Returns false when there is no room for it now,
    /// and true when it is appended or no quote is held.
    func release(_ symbol: Int) -> Bool {
        guard var quote = inflow.held.quote(symbol) else { return true }
        let place = place(of: symbol)
        guard ensureRoom(lane: place.lane) else { return false }
        _ = inflow.held.remove(symbol)
        quote.header.symbol = place.symbol
        countReceived(outflow.publisher.append(quote, lane: place.lane))
        inflow.backpressure.tookHeldQuote(symbol: symbol, time: quote.header.eventTime)
        return true
    }

    /// Holds the quote that is due. It replaces an older quote of the symbol, which is left out,
    /// and is marked as conflated then.
    func hold(_ symbol: Int, _ now: Timestamp) {
        place(of: symbol)
        guard let record = inflow.ticks.take() else { return }
        guard case .tape(.quote(var quote)) = record, symbol < outflow.lanes.places.count else {
            preconditionFailure("only a quote of a known symbol is held")
        }
        if !inflow.isRecorded, inflow.time.refuses(quote.header) {
            return keepAsDeadLetter(.quote(quote), symbol, now)
        }
        if inflow.held.quote(symbol) != nil { quote.header.flags.insert(.conflated) }
        let older = inflow.held.hold(quote, symbol: symbol, now: clock.monotonic())
        if let older { leaveOut(older, symbol) }
    }

    /// Leaves out the held quote of the symbol, if there is one: `quote` is newer and is being
    /// taken. Marks `quote` as conflated then.
    func replaceHeld(by quote: inout Quote, _ symbol: Int) {
        guard !inflow.held.isEmpty, let older = inflow.held.remove(symbol) else { return }
        quote.header.flags.insert(.conflated)
        leaveOut(older, symbol)
    }

    private func leaveOut(_ quote: Quote, _ symbol: Int) {
        parts.metrics.leftOut(.quote).add()
        ledgers.gaps.leftOut(
            symbol: symbol, kind: .quote, time: quote.header.eventTime,
            now: clock.monotonic())
    }

    /// Returns the time that no watermark of the lane may pass, because of gaps that are not
    /// recorded yet and of held quotes; undefined when there is none.
    func watermarkMax(lane: Int) -> Timestamp {
        min(ledgers.gaps.watermarkMax(lane: lane), inflow.held.watermarkMax(lane: lane))
    }
}
