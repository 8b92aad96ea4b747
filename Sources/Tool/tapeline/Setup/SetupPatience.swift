import NatsTransport
import ServiceRuntime

/// How long `tapeline setup` waits for servers that have just started: a cluster elects a leader
/// for itself and for each stream, and does not answer meanwhile.
final class SetupPatience {
    /// For all streams together, from the first one on that is not answered.
    private static let most = Duration.seconds(60)
    /// A server that is missing may come. Mostly there are too few, which a person has to know.
    private static let mostForServers = Duration.seconds(15)
    private static let askEvery = Duration.milliseconds(500)

    private let shutdown: ShutdownSignal
    private let terminal: Terminal
    private var begun: ContinuousClock.Instant?
    /// When there were too few servers for the first time.
    private var lacking: ContinuousClock.Instant?

    init(_ shutdown: ShutdownSignal, _ terminal: Terminal) {
        self.shutdown = shutdown
        self.terminal = terminal
    }

    /// Waits a moment, and says so the first time. Returns false when it is not worth asking again.
    func waits(for error: JetStreamError) -> Bool {
        guard let end = end(for: error), ContinuousClock.now < end else { return false }
        if begun == nil { terminal.problem("waiting: \(error)") }
        begun = begun ?? .now
        return !shutdown.wait(timeout: Self.askEvery)
    }

    /// `nil`: what does not pass by itself.
    private func end(for error: JetStreamError) -> ContinuousClock.Instant? {
        switch error {
        case .fewServers:
            lacking = lacking ?? .now
            return lacking.map { $0 + Self.mostForServers }
        case .refused where !error.isRetryable: return nil
        case .transport(.timedOut), .leaderless, .refused: return (begun ?? .now) + Self.most
        case .transport, .unavailable, .differs, .invalid, .malformed: return nil
        }
    }
}
