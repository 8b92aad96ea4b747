import MarketModel
import Primitives
import ProviderKit
import Testing

@testable import ProviderGateway

/// Ticks of a provider that numbers them, on their way through the gateway.
@Suite struct NumberedTicksTests {
    private let now = Timestamp(nanoseconds: 1_700_000_000_000_000_000)

    /// Delivers what a test sends into its channel.
    private final class Numbered: ProviderSource {
        let ticks: SyntheticTicks
        let name = "numbered"
        let isUrgent = false

        init(_ ticks: SyntheticTicks) { self.ticks = ticks }

        var resumption: ProviderResumption? {
            ProviderResumption(
                passed: ticks.passed, since: ticks.origin, floor: ticks.floor, missing: [])
        }
        func start(_ order: ProviderOrder, into channel: ProviderChannel) {}
        func follow(begun: [UInt32], ended: [UInt32]) {}
        func stop(within timeout: Duration) -> Bool { true }
        func write(into json: inout JSONWriter) {}
    }

    /// A successor takes a watermark before the last tick of a packet for ticks that were left out
    /// and never put on record. So the watermark of each packet must follow the ticks that it
    /// holds, also in the middle of a batch.
    @Test("the watermark follows each tick that is taken, not only whole batches")
    func watermark() throws {
        let symbols = ["AAPL", "MSFT"].compactMap { Symbol($0) }
        var standing = SyntheticTicks.Standing()
        standing.marks = symbols.map { _ in nil }
        var ticks = SyntheticTicks(
            SyntheticTicks.Settings(
                market: SyntheticMarket.Settings(seed: 7, symbols: symbols, rate: 100),
                pace: .full, total: 500, backlogNanoseconds: 0),
            behind: standing, now: now)
        let channel = ProviderChannel()
        var taken = DeliveredTicks(
            [(Numbered(ticks), channel)],
            book: InstrumentBook(
                symbols.map {
                    Instrument(
                        symbol: $0, contract: Instrument.Contract(.stock),
                        feeds: [.trades, .quotes])
                }))
        var batch: [ProviderRecord] = []
        ticks.take(dueAt: now, ticksMax: 100, into: &batch)
        let times = batch.compactMap { $0.header?.eventTime }
        #expect(times.count == 100)
        guard case .sent = channel.send(&batch, floor: ticks.floor) else {
            Issue.record("the batch was not sent")
            return
        }
        for (time, next) in zip(times, times.dropFirst()) {
            #expect(taken.peek() != nil && taken.take() != nil)
            let watermark = taken.watermark(now: now)
            #expect(watermark > time && watermark <= next)
        }
    }
}
