internal import IBEngine
internal import MarketModel
internal import Primitives
internal import ProviderKit
internal import Synchronization
internal import ServiceRuntime

/// The reports of the connection's thread to logs, metrics and the status page: events as they
/// happen, the engine's state once a second. Any thread may read `present`; the rest is called by
/// the connection's thread.
final class ConnectionReport: Sendable {
    /// How often the state is shown, in nanoseconds.
    private static let interval: Int64 = .seconds(1)

    /// The state of the engine at a moment.
    struct Seen: Sendable {
        let status: IBStatus
        let at: Moment
    }

    let metrics: IBKRMetrics
    let limits: ShownLimits
    /// How long the channel was full.
    private let full: FullTime
    private let registry: InstrumentRegistry
    private let telemetry: TelemetryHub
    /// The state that was last shown; `nil`: none.
    private let seen = Mutex<Seen?>(nil)
    /// When the state was last shown, monotonic, in nanoseconds. Only the connection's thread uses
    /// it; it is atomic because the class is `Sendable`.
    private let shownAt = Atomic(MonotonicTime.distantPast.nanoseconds)

    init(_ order: ProviderOrder, _ telemetry: TelemetryHub, full: FullTime) {
        registry = order.registry
        self.telemetry = telemetry
        self.full = full
        metrics = IBKRMetrics(
            telemetry.metrics, labels: [("source", order.source.text)], full: full)
        limits = ShownLimits(
            telemetry.metrics, source: order.source, provider: IBKRProvider.providerName)
    }

    /// The state; `nil` before the thread has begun, and after it has ended.
    var present: Seen? { seen.withLock { $0 } }

    // MARK: the connection's thread

    /// Counts a time in which the channel was full.
    func wasFull(for nanoseconds: Int64) { full.add(nanoseconds) }

    /// Returns true when the engine's state has to be shown.
    func isDue(_ now: Moment) -> Bool {
        let last = MonotonicTime(nanoseconds: shownAt.load(ordering: .relaxed))
        return now.monotonic - last >= Self.interval
    }

    /// Shows the state in metrics and on the status page. `inSession`: how many instruments should
    /// deliver now; `nil`: no trading hours are known.
    func show(_ status: IBStatus, _ present: [ProviderLimit], inSession: Int?, now: Moment) {
        shownAt.store(now.monotonic.nanoseconds, ordering: .relaxed)
        metrics.show(status, inSession: inSession)
        limits.show(present, now)
        seen.withLock { $0 = Seen(status: status, at: now) }
    }

    /// Ends all reports: the thread has ended.
    func ended() {
        seen.withLock { $0 = nil }
        metrics.remove()
        limits.remove()
    }

    /// Reports an event of the engine.
    func report(_ event: IBEngineEvent) {
        switch event {
        case .state(let state, let reason):
            telemetry.emit(.ibkrStateChanged(state: state, reason: reason))
            // Makes `isDue` true, so that a state that lasts less than a second is shown too.
            shownAt.store(MonotonicTime.distantPast.nanoseconds, ordering: .relaxed)
        case .lost(let failures, let reason):
            telemetry.emit(.ibkrFailed(failures: failures, reason: reason, isAlarm: false))
        case .alarm(let failures, let reason):
            telemetry.emit(.ibkrFailed(failures: failures, reason: reason, isAlarm: true))
        case .notice(let notice): telemetry.emit(.ibkrNotice(notice: notice))
        case .feed(let instrument, let feed, let state, let reason):
            telemetry.emit(
                .ibkrFeedChanged(
                    symbol: symbol(instrument), feed: feed.rawValue, state: state, reason: reason))
        case .outageBegun(let instrument, let feed, let reason):
            telemetry.emit(
                .ibkrOutage(symbol: symbol(instrument), feed: feed.rawValue, reason: reason))
        case .outageEnded(let instrument, let feed):
            telemetry.emit(
                .ibkrOutage(symbol: symbol(instrument), feed: feed.rawValue, reason: nil))
        case .sizes(let instrument, let unit):
            telemetry.emit(.ibkrSizes(symbol: symbol(instrument), unit: unit))
        case .skipped(let id, let fault): telemetry.emit(.ibkrSkipped(id: id, fault: fault))
        case .numbers(let instrument, let count):
            telemetry.emit(.ibkrNumbers(symbol: instrument.map(symbol), count: count))
        case .clockStep:
            telemetry.emit(
                .ibkrTrouble(message: "this host's clock made a step; the watermark is held"))
        case .unsendable(let what):
            telemetry.emit(.ibkrTrouble(message: "a request cannot be sent: \(what)"))
        case .clockDifference, .zoneWanted: break
        }
    }

    /// Counts events that were dropped because more happened than can be kept for a report.
    func lost(events count: UInt64) {
        telemetry.emit(
            .ibkrTrouble(message: "\(count) events came too fast and are not in the log"))
    }

    /// Reports that the first delayed data have come, in place of live ones.
    func delayedBegin(_ first: ProviderRecord, source: SourceName) {
        let symbol = first.header.map { self.symbol($0.symbol) } ?? "?"
        telemetry.emit(.ibkrDelayedBegin(symbol: symbol, source: source.delayed ?? source))
    }

    /// Reports that no delayed data are taken, because their source has no name.
    func unnamedDelayed(_ source: SourceName) {
        let most = SourceName.utf8CountMax - SourceName.delayedSuffix.utf8.count
        telemetry.emit(
            .ibkrTrouble(
                message: "no delayed data are taken: GATEWAY_SOURCE \(source) is too long for "
                    + "their source (\(source)\(SourceName.delayedSuffix)): \(most) characters "
                    + "at most; IBKR_DELAYED=false means the same"))
    }

    /// Counts delayed ticks that were left out, and reports it to the log if asked to.
    func leftOut(delayed count: Int, isReported: Bool) {
        metrics.delayedLeftOut.add(UInt64(count))
        if isReported { telemetry.emit(.ibkrDelayedLeftOut()) }
    }

    /// Reports that the system has no rules of a time zone.
    func zoneMissing(_ name: String) {
        telemetry.emit(
            .ibkrTrouble(
                message: "trading hours are told in the zone '\(name)', which this machine does "
                    + "not know: install tzdata"))
    }

    private func symbol(_ number: UInt32) -> String {
        registry.instrument(number)?.symbol.text ?? "?"
    }
}
