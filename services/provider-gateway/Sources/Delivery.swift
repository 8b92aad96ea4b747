import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime

/// What a source gets from providers: which of them, and of which instruments.
struct Delivery: Sendable {
    /// In the order of their priority.
    let kinds: [ProviderKind]
    let book: InstrumentBook
    /// When one takes over from another.
    var routing = FeedRouter.Settings()
    /// When one that cannot be started is tried again.
    var retries = RetriedProvider.Waits()

    /// What was recorded before has the gaps that it has, and nothing is added to it.
    var fillsGaps: Bool { !kinds.contains(where: \.isRecorded) }

    /// What becomes of that which is missing from before.
    func handOver(
        _ missing: [(symbol: Symbol, part: MissingPart)], now: Timestamp
    ) -> GapHandOver {
        let wanted = Set(book.wanted)
        return GapHandOver(missing, now: now) { symbol in
            guard let number = book.number(of: symbol), wanted.contains(number),
                let instrument = book.instrument(number)
            else { return nil }
            return (number, instrument.feeds)
        }
    }

    /// Who delivers which instrument at first. `gaps`: what is handed to them.
    func router(_ now: Moment, gaps: [OpenGap]) -> (FeedRouter, instruments: [[UInt32]]) {
        var router = FeedRouter(providers: kinds.map(\.name), settings: routing)
        var work = FeedRouter.Work(providers: kinds.count)
        for number in book.wanted {
            router.start(
                number, providers: book.instrument(number)?.providers ?? [], now, into: &work)
        }
        for gap in gaps { router.inherit(gap) }
        return (router, work.begun)
    }

    /// Makes every provider and starts it on its own channel with what it is first for. One of
    /// several that cannot be started tries again by itself; without the only one nothing begins.
    func start(
        _ order: ProviderOrder, instruments: [[UInt32]], _ context: ProviderKind.Context
    ) throws -> [(any ProviderSource, ProviderChannel)] {
        var started: [(any ProviderSource, ProviderChannel)] = []
        do {
            for (kind, numbers) in zip(kinds, instruments) {
                let provider: any ProviderSource =
                    kinds.count > 1
                    ? RetriedProvider(kind, context, retries) : try kind.make(context)
                let channel = ProviderChannel()
                context.telemetry.metrics.watch(channel, as: "provider.\(kind.name)")
                started.append((provider, channel))
                var own = order
                own.instruments = numbers
                let fed = Set(numbers)
                own.gaps = order.gaps.filter { fed.contains($0.instrument) }
                try provider.start(own, into: channel)
            }
        } catch {
            for (provider, channel) in started {
                channel.close()
                _ = provider.stop(within: ProviderStop.timeout)
            }
            throw error
        }
        return started
    }
}
