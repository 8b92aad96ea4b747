import MarketModel
import Primitives
import ServiceRuntime
import TapeTransport

/// Held quotes: quotes that wait because their policy is `conflate` and the source is pressed. A
/// `symbol` is the instrument's number in the source's list. `HeldQuotes` stores them.
extension SourceTenure {
    /// Releases the quotes that have waited for a second, once per turn. With `all` it releases all
    /// of them, because the source is not pressed any more or is being drained.
    func releaseQuotes(all: Bool) {
        if !inflow.held.isEmpty {
            let symbols =
                all
                ? inflow.held.symbols
                : inflow.held.due(now: clock.monotonic(), after: inflow.backpressure.quoteInterval)
            for symbol in symbols { _ = release(symbol) }
        }
        inflow.held.settle()
    }

    /// Releases the symbol's held quote: appends it to its lane. Returns false when there is no
    /// room for it now, and true when it is appended or no quote is held.
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

    /// Holds the quote that is due. If the symbol has a held quote, the new quote replaces it and
    /// is marked as conflated, and the older one is left out.
    func hold(_ symbol: Int, _ now: Timestamp) {
        place(of: symbol)
        guard let record = inflow.ticks.take() else { return }
        guard case .tape(.quote(var quote)) = record, symbol < outflow.lanes.places.count else {
            preconditionFailure("only a quote of a known symbol is held")
        }
        if inflow.refuses(quote.header) {
            return keepAsDeadLetter(.quote(quote), symbol, now)
        }
        if inflow.held.quote(symbol) != nil { quote.header.flags.insert(.conflated) }
        let older = inflow.held.hold(quote, symbol: symbol, now: clock.monotonic())
        if let older { leaveOut(older, symbol) }
    }

    /// Leaves out the held quote of the symbol, if there is one, because the newer `quote` is being
    /// taken. Marks `quote` as conflated then.
    func replaceHeld(by quote: inout Quote, _ symbol: Int) {
        guard !inflow.held.isEmpty, let older = inflow.held.remove(symbol) else { return }
        quote.header.flags.insert(.conflated)
        leaveOut(older, symbol)
    }

    /// Counts a held quote that a newer one replaced, and notes it for a gap record.
    private func leaveOut(_ quote: Quote, _ symbol: Int) {
        parts.metrics.leftOut(.quote).add()
        ledgers.gaps.leftOut(
            symbol: symbol, kind: .quote, time: quote.header.eventTime,
            now: clock.monotonic())
    }

    /// Returns the time that no watermark of the lane may pass, because of held quotes and of gaps
    /// whose records are in no packet yet; undefined when nothing holds the watermark back.
    func watermarkMax(lane: Int) -> Timestamp {
        min(ledgers.gaps.watermarkMax(lane: lane), inflow.held.watermarkMax(lane: lane))
    }
}
