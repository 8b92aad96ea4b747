import MarketModel
import Primitives
import ProviderKit
import ProviderModel
import ServiceRuntime
import Telemetry

/// What a source gets from providers: which of them, and of which instruments.
struct Delivery: Sendable {
    /// In the order of their priority.
    let kinds: [ProviderKind]
    let book: InstrumentBook

    /// Makes every provider and starts it on its own channel. When one of them cannot be started,
    /// none of them is.
    func start(
        _ order: ProviderOrder, _ context: ProviderKind.Context
    ) throws -> [(any ProviderSource, ProviderChannel)] {
        var started: [(any ProviderSource, ProviderChannel)] = []
        do {
            for kind in kinds {
                let provider = try kind.make(context)
                let channel = ProviderChannel()
                started.append((provider, channel))
                try provider.start(order, into: channel)
            }
        } catch {
            for (provider, channel) in started {
                channel.close()
                _ = provider.stop(within: Self.stopTimeout)
            }
            throw error
        }
        return started
    }

    /// How long a provider may take to end its subscriptions and connections.
    static let stopTimeout = Duration.seconds(3)
}
