import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import ServiceTestSupport
import TestSupport
import Testing

@testable import ProviderGateway

/// Ticks of a provider that numbers them, on their way through the gateway.
@Suite struct NumberedTicksTests {
    private let now = Timestamp(nanoseconds: 1_700_000_000_000_000_000)

    /// Delivers what a test sends into its channel.
    private final class Numbered: ProviderSource {
        let ticks: SyntheticTicks
        /// What it would deliver again up to this time, when a tape lost it.
        let passesUntil: Timestamp?
        let name = "numbered"
        let isUrgent = false

        init(_ ticks: SyntheticTicks, passesUntil: Timestamp?) {
            self.ticks = ticks
            self.passesUntil = passesUntil
        }

        var resumption: ProviderResumption? {
            ProviderResumption(
                passed: ticks.passed, since: ticks.origin, floor: ticks.floor, missing: [],
                done: ticks.done)
        }
        func start(_ order: ProviderOrder, into channel: ProviderChannel) {}
        func follow(begun: [UInt32], ended: [UInt32]) {}
        func passOver(_ instruments: [UInt32]) -> Timestamp? { passesUntil }
        func stop(within timeout: Duration) -> Bool { true }
        func write(into json: inout JSONWriter) {}
    }

    private let symbols = ["AAPL", "MSFT"].compactMap { Symbol($0) }

    private var settings: SyntheticTicks.Settings {
        SyntheticTicks.Settings(
            market: SyntheticMarket.Settings(seed: 7, symbols: symbols, rate: 100), pace: .full,
            total: 500, backlogNanoseconds: 0)
    }

    /// A market of which the tape has these ticks as the last ones of each symbol's partition.
    private func ticks(behind last: [UInt64?]) -> SyntheticTicks {
        let market = SyntheticMarket(settings.market)
        let origin = market.origin(ofTick: 500, at: now)
        var standing = SyntheticTicks.Standing()
        standing.marks = last.map { index in
            index.map {
                SyntheticTicks.Mark(index: $0, time: market.time(ofTick: $0, origin: origin))
            }
        }
        return SyntheticTicks(settings, behind: standing, now: now)
    }

    private func delivered(
        _ ticks: SyntheticTicks, _ channel: ProviderChannel, passesUntil: Timestamp? = nil
    ) -> DeliveredTicks {
        DeliveredTicks(
            [(Numbered(ticks, passesUntil: passesUntil), channel)],
            registry: InstrumentRegistry(
                symbols.map {
                    Instrument(
                        symbol: $0, contract: Instrument.Contract(.stock),
                        feeds: [.trades, .quotes])
                }))
    }

    /// Makes 100 ticks that wait in the channel, and returns their times.
    private func send(_ ticks: inout SyntheticTicks, _ channel: ProviderChannel) -> [Timestamp] {
        var batch: [ProviderRecord] = []
        ticks.take(dueAt: now, ticksMax: 100, into: &batch)
        let times = batch.compactMap { $0.header?.eventTime }
        guard case .sent = channel.send(&batch, floor: ticks.floor) else { return [] }
        return times
    }

    /// A successor takes a watermark before the last tick of a packet for ticks that were left out
    /// and never put on record. So the watermark of each packet must follow the ticks that it
    /// holds, also in the middle of a batch.
    @Test("the watermark follows each tick that is taken, not only whole batches")
    func watermark() throws {
        var ticks = ticks(behind: [nil, nil])
        let channel = ProviderChannel()
        var taken = delivered(ticks, channel)
        let times = send(&ticks, channel)
        #expect(times.count == 100)
        for (time, next) in zip(times, times.dropFirst()) {
            #expect(taken.peek() != nil && taken.take() != nil)
            let watermark = taken.watermark(now: now)
            #expect(watermark > time && watermark <= next)
        }
    }

    /// The thread of the provider may have read the clock after the thread that takes its ticks.
    @Test("the watermark is not before a tick that was taken, whatever time it is")
    func early() throws {
        var ticks = ticks(behind: [nil, nil])
        let channel = ProviderChannel()
        var taken = delivered(ticks, channel)
        for time in send(&ticks, channel) {
            #expect(taken.peek() != nil && taken.take() != nil)
            #expect(taken.watermark(now: ticks.origin) == time)
        }
    }

    /// Readers of a restored tape may have these ticks. A gateway that had no room meanwhile has a
    /// batch of which it has taken a part, and more has come into the channel.
    @Test("ticks that a tape lost are passed over in the rest of a batch and in what came after it")
    func passedOver() throws {
        var ticks = ticks(behind: [nil, nil])
        let channel = ProviderChannel()
        var taken = delivered(ticks, channel, passesUntil: now)
        #expect(send(&ticks, channel).count == 100)
        for _ in 0..<30 { #expect(taken.peek() != nil && taken.take() != nil) }
        #expect(send(&ticks, channel).count == 100)
        taken.passOver { $0 == symbols[0] }
        var rest: [UInt32] = []
        while taken.peek() != nil, let record = taken.take() {
            if let header = record.header { rest.append(header.symbol) }
        }
        #expect(Set(rest).count == 1 && rest.count > 20 && rest.count < 170, "\(rest.count)")
    }

    /// The market begins again at the partition that has the fewest ticks. A gap record is what a
    /// successor finds last if this gateway ends then.
    @Test("a gap record sets no partition back behind its own last tick")
    func stamps() throws {
        var ticks = ticks(behind: [90, 10])
        let channel = ProviderChannel()
        var taken = delivered(ticks, channel)
        let last = { (symbol: Int) in taken.stamp(symbol).id & SyntheticMarket.indexMax }
        #expect(last(0) == 90 && last(1) == 10)
        let mark = taken.stamp(0)
        #expect(
            SyntheticMarket(settings.market)
                .origin(ofTick: mark.id & SyntheticMarket.indexMax, at: mark.time) == ticks.origin)
        for _ in send(&ticks, channel) { #expect(taken.peek() != nil && taken.take() != nil) }
        #expect(last(0) == last(1) && last(0) > 90)
    }

    @Test("a partition without a tick on the tape has no mark until one was taken")
    func unmarked() throws {
        let taken = delivered(ticks(behind: [90, nil]), ProviderChannel())
        #expect(taken.stamp(0).id & SyntheticMarket.indexMax == 90)
        #expect(taken.stamp(1).id == 0 && !taken.stamp(1).time.isDefined)
    }

    /// The provider's thread may have made all ticks before the gateway's thread reads where the
    /// provider continues.
    @Test("a market that is over before its ticks are taken promises no more than the others")
    func over() throws {
        let service = try TestService(
            Main.description,
            [
                "GATEWAY_PROVIDER": "synthetic", "SYNTHETIC_PACE": "full", "SYNTHETIC_TICKS": "500",
            ])
        let provider = try SyntheticProvider(
            ProviderKind.Context(
                configuration: service.context.configuration,
                telemetry: service.context.telemetry, threads: service.context.threads))
        let registry = InstrumentRegistry(
            symbols.map {
                Instrument(
                    symbol: $0, contract: Instrument.Contract(.stock), feeds: [.trades, .quotes])
            })
        let channel = ProviderChannel()
        try provider.start(
            ProviderOrder(
                source: try #require(SourceName("synthetic")), registry: registry,
                instruments: registry.wanted, reached: []),
            into: channel)
        #expect(eventually { provider.resumption?.end?.count == 500 })
        var taken = DeliveredTicks([(provider, channel)], registry: registry)
        #expect(taken.handedOut == 0)
        while taken.peek() != nil {
            let header = try #require(taken.dueHeader)
            #expect(taken.watermark(now: SystemClock().now()) <= header.eventTime)
            #expect(taken.take() != nil)
        }
        #expect(taken.isFinished && taken.handedOut == 500)
        #expect(provider.stop(within: .seconds(10)))
    }
}
