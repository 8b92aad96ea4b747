import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import TapeProtocol

/// The providers of a source, and the instruments that they deliver.
struct Delivery: Sendable {
    /// The kinds of providers, in the order of their priority.
    let kinds: [ProviderKind]
    /// The records of each provider that wait at most.
    let channelRecords: Int
    /// How long a provider may take to end.
    let stopTimeout: Duration
    let registry: InstrumentRegistry
    /// When a provider replaces another one.
    var routing = FeedRouter.Settings()
    /// When a provider that cannot be started is tried again.
    var retries = RetriedProvider.Waits()
    /// How often each order book is repeated on the tape.
    var bookNanoseconds = RepeatedBooks.nanoseconds
    /// The end of the names of its queues in metrics.
    var queueSuffix = ""

    /// Whether gaps and last trades are followed. A recording keeps the gaps that it has, and
    /// nothing is added to it, unless it continues by ids. A provider whose ticks follow from its
    /// settings makes missed ticks again, or they are missing for good.
    var fillsGaps: Bool {
        !kinds.contains { $0.isRecorded && !$0.continuesByIDs || $0.instruments != nil }
    }

    /// The providers that continue after their last trades, or values.
    var followed: FollowedProviders {
        FollowedProviders(
            ids: kinds.first { $0.continuesByIDs }?.name,
            hasDenseIDs: kinds.first { $0.continuesByIDs }?.hasDenseIDs ?? true,
            values: Set(kinds.filter(\.continuesByValues).map(\.name)))
    }

    /// Returns the delivery of the delayed data of a provider, which are a source of their own.
    func delayed(of provider: any DelayedProvider) -> Delivery {
        var delivery = Delivery(
            kinds: [ProviderKind(name: provider.name) { _ in provider }],
            channelRecords: channelRecords, stopTimeout: stopTimeout, registry: registry)
        delivery.queueSuffix = SourceName.delayedSuffix
        return delivery
    }

    /// Returns the partitions in which the source can have ticks. With lists these are all, as
    /// lists may add any symbol at any time.
    func partitions(_ names: TapeNames) -> [Partition] {
        guard kinds.contains(where: { $0.instruments != nil && !$0.hasOpenList }) else {
            return (0..<names.partitions).map { Partition($0) }
        }
        let symbols = registry.wanted.compactMap { registry.instrument($0)?.symbol }
        return Set(symbols.map { names.partition(of: $0) }).sorted()
    }

    /// Decides about the gaps from before this tenure.
    func handOver(
        _ missing: [(symbol: Symbol, part: MissingPart)], now: Timestamp
    ) -> GapHandOver {
        let wanted = Set(registry.wanted)
        return GapHandOver(missing, now: now) { symbol in
            guard let number = registry.number(of: symbol), wanted.contains(number),
                let instrument = registry.instrument(number)
            else { return nil }
            return (number, instrument.feeds)
        }
    }

    /// Returns a router, and the instruments that each provider delivers at first. `gaps` are the
    /// gaps that providers get.
    func router(_ now: Moment, gaps: [OpenGap]) -> (FeedRouter, instruments: [[UInt32]]) {
        var router = FeedRouter(providers: kinds.map(\.name), settings: routing)
        var work = FeedRouter.Work(providers: kinds.count)
        for number in registry.wanted {
            router.start(
                number, providers: registry.instrument(number)?.providers ?? [], now, into: &work)
        }
        for gap in gaps { router.inherit(gap) }
        return (router, work.begun)
    }

    /// Makes every provider and starts it on a separate channel, with the instruments that it
    /// delivers at first. With several providers, one that cannot be started retries by itself. If
    /// there is only one and it fails, the error is thrown.
    func start(
        _ order: ProviderOrder, instruments: [[UInt32]], _ context: ProviderKind.Context
    ) throws -> [(any ProviderSource, ProviderChannel)] {
        var started: [(any ProviderSource, ProviderChannel)] = []
        do {
            for (kind, numbers) in zip(kinds, instruments) {
                let provider: any ProviderSource =
                    kinds.count > 1
                    ? RetriedProvider(kind, context, retries) : try kind.make(context)
                let channel = ProviderChannel(recordsMax: channelRecords)
                context.telemetry.metrics.watch(channel, as: "provider.\(kind.name)\(queueSuffix)")
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
                _ = provider.stop(within: stopTimeout)
            }
            throw error
        }
        return started
    }
}
