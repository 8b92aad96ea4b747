import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import Synchronization

/// Stops the providers of a tenure, each on a separate thread. Meanwhile the tenure's thread
/// continues to take the records that they still deliver.
final class ProviderStop: Sendable {
    /// How much longer the tenure waits for a provider that does not end within its timeout.
    private static let grace = Duration.milliseconds(500)

    private final class Running: Sendable {
        /// The names of providers that have not ended, by index.
        let names: Mutex<[Int: String]>

        init(_ names: [Int: String]) { self.names = Mutex(names) }
    }

    private let running: Running
    private let clock = SystemClock()
    private let deadline: MonotonicTime

    init(_ providers: [any ProviderSource], within timeout: Duration) {
        deadline = clock.deadline(after: timeout + Self.grace)
        var names: [Int: String] = [:]
        for (place, provider) in providers.enumerated() { names[place] = provider.name }
        running = Running(names)
        for (place, provider) in providers.enumerated() {
            let running = running
            let stop = { @Sendable in
                guard provider.stop(within: timeout) else { return }
                running.names.withLock { $0[place] = nil }
            }
            do throws(ServiceError) {
                _ = try ServiceThread(name: "provider-stop", stop)
            } catch {
                // Without a thread the provider has to be stopped here. Its channel takes as many
                // records as fit.
                stop()
            }
        }
    }

    /// Whether all providers have ended, or are not waited for any more.
    var isOver: Bool {
        running.names.withLock { $0.isEmpty } || clock.monotonic() >= deadline
    }

    /// The names of the providers that have not ended.
    var late: [String] {
        running.names.withLock { names in names.sorted { $0.key < $1.key }.map(\.value) }
    }
}

extension ServiceEvent {
    /// Reports that a provider did not end in time when the source was given back.
    static func providerLate(source: SourceName, provider: String, timeout: Duration) -> Self {
        Self(
            .warning, "gateway.provider_late",
            "\(provider) did not end its subscriptions within \(timeout): what it still "
                + "had to say is not on the tape; the next gateway tells of a gap from the last "
                + "tick on",
            ("source", .text(source.text)), ("provider", .text(provider))
        ).counting(
            "mds_gateway_providers_late_total",
            "a provider that did not end in time when the source was released",
            "often: its connection hangs; the log names it", labels: [("source", source.text)])
    }
}
