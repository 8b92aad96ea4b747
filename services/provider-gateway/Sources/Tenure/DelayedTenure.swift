import MarketModel
import Membership
import MembershipTransport
import Primitives
import ProviderKit
import ServiceRuntime
import Synchronization
import TapeProtocol
import TapeTraces
import TapeTransport

/// The source of delayed data of a tenure: a second source, `<source>-delayed`, under the same
/// lease and epoch. `SourceTenure` of the live source owns it.
///
/// It has lanes, a watermark, gaps and a record of its own, so it is a `SourceOpening` and a
/// `SourceTenure` once more, on a thread of its own. It is opened when the provider has delayed
/// data, and in each later tenure, because the bars that are open there wait for its watermark. A
/// retired one is opened only when the provider has delayed data again.
final class DelayedTenure {
    /// How often the thread checks whether the source is needed, or has to end.
    private static let checkInterval = Duration.milliseconds(100)
    /// The time between two attempts to find out whether the source is on the tape.
    private static let retryNanoseconds: Int64 = 500_000_000

    /// What its thread works with.
    private struct Parts: Sendable {
        let settings: GatewaySettings
        let claim: Claim
        let providers: [any ProviderSource]
        let ownership: DelayedOwnership
        let client: TapeClient
        let context: ServiceContext
        let report: GatewayReport
        let live: LivePublisher?
        let traces: PacketTraces?
        let letters: FutureLetters
        let headroom: @Sendable () -> HeadroomLevel.Level
    }

    private final class Outcome: Sendable {
        private let value = Mutex<TenureEnd?>(nil)

        var end: TenureEnd? { value.withLock { $0 } }

        func set(_ end: TenureEnd) { value.withLock { $0 = end } }
    }

    private let ownership: DelayedOwnership
    private let outcome: Outcome
    /// `nil` when no thread could be started, which is reported as the end.
    private let thread: ServiceThread?

    /// `claim` is that of the live source, with the epoch that is open there. Returns `nil` when
    /// there is no source of delayed data.
    init?(_ parts: GatewayParts, _ claim: Claim, _ providers: [any ProviderSource]) {
        let kinds = parts.settings.delivery.kinds
        guard let source = parts.settings.delayedSource,
            kinds.contains(where: { $0.takesDelayed != nil })
        else { return nil }
        ownership = DelayedOwnership(parts.ownership.port)
        var settings = parts.settings
        (settings.source, settings.instrumentLists) = (source, nil)
        let own = Parts(
            settings: settings, claim: claim, providers: providers, ownership: ownership,
            client: parts.client, context: parts.context, report: parts.report, live: parts.live,
            traces: parts.traces,
            letters: parts.letters, headroom: parts.headroom)
        outcome = Outcome()
        thread = Self.start(own, outcome)
    }

    /// Starts the thread. Returns `nil` when that is not possible, which is the outcome then.
    private static func start(_ parts: Parts, _ outcome: Outcome) -> ServiceThread? {
        let work = { @Sendable in outcome.set(run(parts)) }
        do throws(ServiceError) {
            return try ServiceThread(name: "gateway-delayed", work)
        } catch {
            outcome.set(.failed(error))
            return nil
        }
    }

    // MARK: the thread of the live source

    /// How the source has ended by itself, so that the tenure has to end; `nil` while it has not.
    var ending: TenureEnd? {
        switch outcome.end {
        case .fenced(let epoch): .fenced(epoch: epoch)
        case .connectionGone(let reason): .connectionGone(reason)
        case .endedByPolicy: .endedByPolicy
        case .failed(let error): .failed(error)
        case .released, .dropped, nil: nil
        }
    }

    /// Ends the source in order, together with the live one: ticks that were taken go onto the tape
    /// first.
    func release() { ownership.end(.release) }

    /// Ends the source immediately, also after `release`.
    func drop() { ownership.end(.drop) }

    /// Waits until the source has ended, as one of the two has ordered, for `time` at most. Returns
    /// false when it has not.
    func join(within time: Duration, _ beat: ThreadBeat) -> Bool {
        guard let thread else { return true }
        let clock = SystemClock()
        let deadline = clock.deadline(after: time)
        while !thread.join(timeout: Self.checkInterval) {
            beat.beat()
            guard clock.monotonic() < deadline else { return false }
        }
        return true
    }

    /// The number of its records that are neither on the tape nor in the spool. While it has not
    /// ended that is unknown, and 1 stands for at least one.
    var left: Int {
        guard case .released(let left) = outcome.end else { return outcome.end == nil ? 1 : 0 }
        return left
    }

    // MARK: its own thread

    private static func run(_ parts: Parts) -> TenureEnd {
        let beat = parts.context.threads.thread("gateway-delayed")
        defer { beat.retire() }
        do {
            guard let provider = try awaitNeed(parts, beat) else { return .released(left: 0) }
            return try open(parts, provider, beat)
        } catch {
            return .failed(error)
        }
    }

    /// Waits until delayed data have come, or returns immediately if there are some on the tape.
    /// Returns `nil` when the source has to end before.
    private static func awaitNeed(
        _ parts: Parts, _ beat: ThreadBeat
    ) throws -> (any DelayedProvider)? {
        let clock = SystemClock()
        let client = parts.client.calling(beat)
        var isOnTape: Bool?
        var retryAt = MonotonicTime.distantPast
        while parts.ownership.endRequest() == nil {
            beat.beat()
            if isOnTape == nil, clock.monotonic() >= retryAt {
                do {
                    isOnTape = try hasHistory(parts.settings.source, client)
                } catch let error as TapeError where !error.isRetryable {
                    throw error
                } catch {
                    retryAt = clock.monotonic() + retryNanoseconds
                    parts.context.telemetry.emit(
                        .sourceNotRead(source: parts.settings.source, reason: "\(error)"))
                }
            }
            let provider = parts.providers.lazy.compactMap(\.delayed).first
            if let provider, isOnTape == true || provider.isNeeded { return provider }
            parts.ownership.wait(checkInterval)
        }
        return nil
    }

    /// Returns whether an earlier tenure opened the source, and nobody has retired it since.
    private static func hasHistory(_ source: SourceName, _ client: TapeClient) throws -> Bool {
        let standing = try SourceStanding(client, of: source)
        return standing.isKnown && !standing.isRetired
    }

    /// Opens the source and works on it until its end.
    private static func open(
        _ parts: Parts, _ provider: any DelayedProvider, _ beat: ThreadBeat
    ) throws -> TenureEnd {
        var settings = parts.settings
        settings.delivery = settings.delivery.delayed(of: provider)
        let report = GatewayReport(settings)
        report.reportHeads(
            by: HeadReporter(parts.client, source: settings.source, input: .ticks))
        parts.report.show(delayed: report)
        defer { parts.report.show(delayed: nil) }
        let client = parts.client.calling(beat)
        let spool = try SourceSpool.open(settings, parts.context.telemetry)
        let gateway = GatewayParts(
            settings: settings, beat: beat, client: client, context: parts.context, report: report,
            ownership: parts.ownership,
            readers: ReaderAnswers(try PositionListener(parts.client, source: settings.source)),
            metrics: GatewayMetrics(
                parts.context.telemetry.metrics, source: settings.source,
                growth: settings.pace.growth),
            live: parts.live, traces: parts.traces, spool: spool, letters: parts.letters,
            instruments: nil,
            // Delayed data cannot wait, so no group holds them up.
            headroom: parts.headroom, backlog: { _ in nil })
        defer { gateway.show(trouble: nil) }
        var opening = try SourceOpening(gateway, parts.claim)
        let end: TenureEnd
        switch try opening.run() {
        case .opened(let source): end = SourceTenure(gateway, source).run()
        case .ended(let early): end = early
        }
        beat.beat(before: ThreadWatch.systemTime)
        switch end {
        case .dropped: spool?.lose(reason: "the tenure of the live source has ended")
        case .fenced(let epoch): spool?.lose(reason: "another gateway followed epoch \(epoch)")
        case .released, .connectionGone, .endedByPolicy, .failed: break
        }
        return end
    }
}

extension ServiceEvent {
    /// Reports that the source of delayed data did not end in time with its tenure.
    static func delayedSourceLate(source: SourceName, time: Duration) -> Self {
        Self(
            .warning, "gateway.delayed_late",
            "the source of delayed data of \(source) did not end within \(time): what is not on "
                + "the tape by now may be missing; the next gateway tells of a gap from the last "
                + "tick on",
            ("source", .text(source.text)))
    }
}

/// The orders to the source of delayed data, which come from the tenure of the live one.
final class DelayedOwnership: TenureOwnership, Sendable {
    let port: OwnershipPort
    private let request = Mutex<SourceOwnership.EndRequest?>(nil)
    /// Wakes the thread that waits for data.
    private let mailbox = Mailbox<Bool>(capacity: 1)

    init(_ port: OwnershipPort) { self.port = port }

    /// The live source sees the end of the connection, and ends this one.
    var connectionEnd: String? { nil }
    var wake: @Sendable () -> Void { { [mailbox] in _ = mailbox.send(true) } }

    func endRequest() -> SourceOwnership.EndRequest? { request.withLock { $0 } }

    /// The epoch of both sources is that of the live one.
    func opened(epoch: UInt64) {}

    /// Sets how the source is to end. `drop` is valid after `release`, too.
    func end(_ how: SourceOwnership.EndRequest) {
        request.withLock { if $0 != .drop { $0 = how } }
        wake()
    }

    func wait(_ timeout: Duration) {
        var woken: [Bool] = []
        _ = mailbox.receive(into: &woken, max: 1, timeout: timeout)
    }
}
