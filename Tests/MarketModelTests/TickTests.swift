import MarketModel
import Primitives
import Testing

@Suite struct TickTests {
    private func header(provider: Timestamp, received: Timestamp) -> TickHeader {
        TickHeader(symbol: 3, providerTime: provider, receiveTime: received)
    }

    @Test("the event time is the provider's, or the receive time when it gave none")
    func eventTime() {
        let (provider, received) = (Timestamp(nanoseconds: -5), Timestamp(nanoseconds: 9))
        #expect(header(provider: provider, received: received).eventTime == provider)
        #expect(header(provider: .undefined, received: received).eventTime == received)
        let before = header(provider: Timestamp(nanoseconds: 0), received: received)
        #expect(before.eventTime == Timestamp(nanoseconds: 0))
    }

    @Test("a header says nothing that it was not told")
    func defaults() {
        let header = header(provider: .undefined, received: Timestamp(nanoseconds: 1))
        #expect(header.flags == [] && header.action == TradeAction.new.rawValue)
        #expect(header.resolution == TimeResolution.unknown.rawValue && header.providerID == 0)
        let trade = Trade(header: header, price: Price(raw: 1), size: Quantity(raw: 2))
        #expect(trade.exchange == .empty && trade.conditions == .empty)
        let quote = Quote(
            header: header, bidPrice: Price(raw: 1), bidSize: Quantity(raw: 2),
            askPrice: Price(raw: 3), askSize: Quantity(raw: 4))
        #expect(quote.bidExchange == .empty && quote.askExchange == .empty)
        #expect(quote.bidPrice < quote.askPrice && quote.bidSize < quote.askSize)
    }

    /// The values are on the wire and in the tables. A changed number would change stored data.
    @Test("the raw values of flags and enumerations stay as they are")
    func rawValues() {
        let flags: [TickFlags] = [
            .snapshot, .conflated, .backfilled, .delayed, .outOfSession, .partial, .unreported,
            .pastLimit,
        ]
        #expect(flags.map(\.rawValue) == [1, 2, 4, 8, 16, 32, 64, 128])
        #expect(TickFlags([.snapshot, .delayed]).rawValue == 9)
        let actions: [TradeAction] = [.new, .correction, .cancel]
        #expect(actions.map(\.rawValue) == [0, 1, 2])
        let resolutions: [TimeResolution] = [
            .unknown, .nanosecond, .microsecond, .millisecond, .second, .minute, .day,
        ]
        #expect(resolutions.map(\.rawValue) == [0, 1, 2, 3, 4, 5, 6])
        #expect(TradeAction(rawValue: 3) == nil && TimeResolution(rawValue: 7) == nil)
    }
}
