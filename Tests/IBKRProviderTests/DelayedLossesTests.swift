import MarketModel
import Primitives
import Testing

@testable import IBKRProvider

@Suite("Delayed ticks for which their source has no room") struct DelayedLossesTests {
    private func quote(_ instrument: UInt32, _ time: Int64) -> ProviderRecord {
        .tape(
            .quote(
                Quote(
                    header: TickHeader(
                        symbol: instrument, providerTime: .undefined,
                        receiveTime: Timestamp(nanoseconds: time)),
                    bidPrice: Price(raw: 1), bidSize: Quantity(raw: 1), askPrice: Price(raw: 2),
                    askSize: Quantity(raw: 1))))
    }

    private func end(_ instrument: UInt32) -> ProviderRecord {
        .tape(
            .subscription(
                SubscriptionRecord(
                    header: TickHeader(
                        symbol: instrument, providerTime: .undefined,
                        receiveTime: Timestamp(nanoseconds: 0)),
                    action: .stop, kind: .quote, mode: .delayed, provider: "ibkr", reason: "")))
    }

    @Test("ticks beyond the maximum are left out and are one gap per instrument and kind")
    func gaps() {
        var losses = DelayedLosses()
        var records = [quote(1, 10), quote(1, 11)]
        #expect(losses.limit(&records, to: 3) == 0)
        records += [quote(1, 12), quote(2, 15), end(2), quote(1, 14)]
        #expect(losses.limit(&records, to: 3) == 2)
        let kept = [quote(1, 10), quote(1, 11), quote(1, 12), end(2)]
        #expect(records == kept)
        // An earlier one may come later.
        records += [quote(1, 13), end(1), quote(2, 16)]
        #expect(losses.limit(&records, to: 3) == 2)
        #expect(records == kept + [end(1)])
        #expect(losses.limit(&records, to: 3) == 0)
        losses.end(into: &records, now: Timestamp(nanoseconds: 99))
        let gaps = records.dropFirst(5).compactMap { record -> GapRecord? in
            if case .tape(.gap(let gap)) = record { gap } else { nil }
        }
        #expect(gaps.map(\.header.symbol) == [1, 2])
        #expect(
            gaps.map(\.from.nanoseconds) == [13, 15] && gaps.map(\.to.nanoseconds) == [15, 17])
        // Neither this process nor a later one asks for them again.
        #expect(gaps.allSatisfy { $0.reason == GapReason.dropped.rawValue })
        #expect(gaps.allSatisfy { $0.kind == DataKind.quote.rawValue && $0.header.symbol > 0 })
    }

    @Test("after the records have left, nothing is left out before the maximum is reached again")
    func again() {
        var losses = DelayedLosses()
        var records = (0..<5).map { quote(1, $0) }
        #expect(losses.limit(&records, to: 2) == 3 && records.count == 2)
        losses.end(into: &records, now: Timestamp(nanoseconds: 9))
        #expect(records.count == 3)
        records = [quote(1, 10), quote(1, 11)]
        #expect(losses.limit(&records, to: 2) == 0 && records.count == 2)
        losses.end(into: &records, now: Timestamp(nanoseconds: 9))
        #expect(records.count == 2)
    }
}
