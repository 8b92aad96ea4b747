import TapeTransport
import MarketModel
import Membership
import Primitives
import ServiceRuntime
import TapeKeeping
import TapeProtocol
import TapeTraces

/// The main loop of the gateway's thread. It stands by until the source's group gives the source to
/// this process, works on the source for one tenure, and stands by again. `ServiceMain` runs it.
///
///     standing by -> opening -> active -> standing by
/// *Opening* is `SourceOpening`, *active* is `SourceTenure`.
///
/// Each tenure has a new publisher, new lanes and new providers, so that no state of an earlier
/// tenure is trusted.
final class Gateway {
    /// The longest wait for an order of the group. A new list of instruments does not wake the
    /// thread, so this is how late it is noticed.
    private static let waitMax = Duration.milliseconds(100)

    private let parts: GatewayParts
    private let ownership: SourceOwnership
    private let clock = SystemClock()
    /// The number of ticks that the tenures of this process could not put onto the tape. With any,
    /// the service ends with `ExitCode.temporary`.
    private var unpublished = 0

    /// Runs until shutdown is requested or the connection is closed for good. Returns the exit code
    /// of the service. `live` publishes ticks to live listeners; `nil` when that is switched off.
    /// `headroom` returns how much room the tape has, and `backlog` how far the slowest group is
    /// behind it.
    static func run(
        _ settings: GatewaySettings, client: TapeClient, context: ServiceContext,
        report: GatewayReport, membership: SourceMembership, live: LivePublisher? = nil,
        headroom: @escaping @Sendable () -> HeadroomLevel.Level = { .ample },
        backlog: @escaping @Sendable (SourceName) -> StoreBacklog? = { _ in nil }
    ) throws -> ExitCode {
        let traces = try PacketTraces.begin(context, namespace: client.names.namespace)
        defer { traces?.end() }
        let beat = context.threads.thread("gateway")
        defer { beat.retire() }
        client.notify(membership.control)
        let listener = try PositionListener(client, source: settings.source)
        let letters = try FutureLetters(settings, client: client, context: context)
        defer { letters.stop() }
        let instruments = WantedInstruments(settings, client, context, report)
        if settings.instrumentLists != nil { context.shutdown.onHangup { instruments.ask() } }
        try instruments.start()
        defer { instruments.stop() }
        let ownership = SourceOwnership(membership, shutdown: context.shutdown)
        let gateway = Gateway(
            ownership,
            GatewayParts(
                settings: settings, beat: beat, client: client.calling(beat), context: context,
                report: report,
                ownership: ownership,
                readers: ReaderAnswers(listener),
                metrics: GatewayMetrics(
                    context.telemetry.metrics, source: settings.source,
                    growth: settings.pace.growth),
                live: live, traces: traces,
                spool: try SourceSpool.open(settings, context.telemetry), letters: letters,
                instruments: instruments, headroom: headroom, backlog: backlog))
        return try gateway.run()
    }

    private init(_ ownership: SourceOwnership, _ parts: GatewayParts) {
        self.ownership = ownership
        self.parts = parts
    }

    /// The main loop. While the gateway stands by, it asks readers for their positions and applies
    /// new lists of instruments, so that a tenure can begin at any time.
    private func run() throws -> ExitCode {
        standsBy()
        while true {
            parts.beat.beat()
            askReaders()
            _ = parts.newInstruments()
            ownership.wait(Self.waitMax)
            if let reason = ownership.connectionEnd { return connectionGone(reason) }
            if ownership.isLeft { return unpublished == 0 ? .success : .temporary }
            guard ownership.claim == nil || knowsInstruments() else { continue }
            guard let claim = ownership.begin() else { continue }
            if let ending = try tenure(claim) { return ending }
        }
    }

    /// Reads the watchlist before a tenure, and applies it. Without a link to NATS that fails and
    /// is tried again in the next turn.
    private func knowsInstruments() -> Bool {
        do throws(TapeError) {
            try parts.instruments?.readWatchlist(parts.client)
            _ = parts.newInstruments()
            return true
        } catch {
            parts.context.telemetry.emit(
                .sourceNotRead(source: parts.settings.source, reason: "\(error)"))
            return false
        }
    }

    /// Opens the source and works on it.
    private func work(_ claim: Claim) throws -> TenureEnd {
        var opening = try SourceOpening(parts, claim)
        switch try opening.run() {
        case .opened(let source): return SourceTenure(parts, source).run()
        case .ended(let early): return early
        }
    }

    /// Runs one tenure. Returns an exit code when the service has to end, else `nil`.
    private func tenure(_ claim: Claim) throws -> ExitCode? {
        switch try work(claim) {
        case .released(let left):
            unpublished += left
            ownership.end(.released)
        case .dropped:
            parts.context.telemetry.emit(.sourceDropped(source: parts.settings.source))
            parts.beat.beat(before: ThreadWatch.systemTime)
            parts.spool?.lose(reason: "the group gave the source to another gateway")
            ownership.end(.dropped)
        case .fenced(let epoch):
            parts.context.telemetry.emit(
                .sourceTakenOver(source: parts.settings.source, epoch: epoch))
            parts.beat.beat(before: ThreadWatch.systemTime)
            parts.spool?.lose(reason: "another gateway followed epoch \(epoch)")
            ownership.end(.lost(reason: "its epoch \(epoch) was followed by another one"))
        case .endedByPolicy:
            ownership.end(.released)
            return .failure
        case .connectionGone(let reason): return connectionGone(reason)
        case .failed(let error): throw error
        }
        standsBy()
        return nil
    }

    /// Reports that the connection was closed for good, and returns the exit code for that.
    private func connectionGone(_ reason: String) -> ExitCode {
        parts.context.telemetry.emit(.connectionGone(reason: reason))
        return .unavailable
    }

    /// Reports that this gateway stands by.
    private func standsBy() {
        parts.show(trouble: nil)
        parts.report.update(GatewayReport.Progress(role: .standby))
        parts.context.telemetry.emit(.gatewayStandsBy(source: parts.settings.source))
    }

    /// Asks the readers for their positions when that is due. Without a link to NATS that fails and
    /// is tried again in the next turn.
    private func askReaders() {
        guard parts.readers.isToAsk else { return }
        do throws(TapeError) {
            try parts.readers.ask()
        } catch {
            parts.context.telemetry.emit(
                .sourceNotRead(source: parts.settings.source, reason: "\(error)"))
        }
    }
}
