import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import Synchronization

/// One of several providers of a source. It retries by itself when it cannot be started, so that
/// its problem does not affect the other providers.
///
/// Until it is started, the router treats it as a provider whose instruments were all refused: the
/// next provider delivers, data missing from before are recorded, and its floor continues to rise.
final class RetriedProvider: ProviderSource {
    /// When a provider that cannot be started is tried again.
    struct Waits: Sendable {
        /// The time between two attempts, with jitter.
        var first = Duration.seconds(1)
        var longest = Duration.seconds(60)
    }

    /// How often the floor rises while the provider is not started, and how far it stays below the
    /// time. The distance is needed because the first tick may have a coarse stamp.
    private static let step = Duration.milliseconds(250)
    private static let floorBehindNanoseconds: Int64 = 5_000_000_000

    private struct State {
        /// The order with which the provider is started.
        var order: ProviderOrder?
        var provider: (any ProviderSource)?
        /// Changes that came while the provider was being started, which it gets afterwards; `nil`
        /// at other times.
        var changes: [(begun: [UInt32], ended: [UInt32])]?
        /// Instruments for which no refusal was sent yet.
        var unrefused: [UInt32] = []
        /// The thread that retries; `nil` when the first attempt succeeded.
        var thread: ServiceThread?
        /// Why the last attempt failed.
        var reason = ""
        var isStopping = false
    }

    let name: String
    let isRecorded: Bool
    private let kind: ProviderKind
    private let context: ProviderKind.Context
    private let waits: Waits
    private let clock = SystemClock()
    private let state = Mutex(State())
    private let wake = Mailbox<Bool>(capacity: 1)

    init(_ kind: ProviderKind, _ context: ProviderKind.Context, _ waits: Waits) {
        name = kind.name
        isRecorded = kind.isRecorded
        self.kind = kind
        self.context = context
        self.waits = waits
    }

    private var provider: (any ProviderSource)? { state.withLock { $0.provider } }

    var delayed: (any DelayedProvider)? { provider?.delayed }

    var isUrgent: Bool { provider?.isUrgent ?? !isRecorded }

    var waitsForReaders: Bool { provider?.waitsForReaders ?? isRecorded }

    var standings: [InstrumentStanding] { provider?.standings ?? [] }

    // MARK: as a provider

    func start(_ order: ProviderOrder, into channel: ProviderChannel) throws {
        state.withLock { $0.order = order }
        guard !begin(channel, attempt: 1) else { return }
        // Refuse the instruments only after the first attempt; then they go to the next provider.
        standIn(for: order, channel)
        let thread = try ServiceThread(name: "provider-retry") { [self] in tryAgain(channel) }
        state.withLock { $0.thread = thread }
    }

    func follow(begun: [UInt32], ended: [UInt32]) {
        let provider = state.withLock { state -> (any ProviderSource)? in
            if let provider = state.provider { return provider }
            guard state.changes == nil else {
                state.changes?.append((begun, ended))
                return nil
            }
            state.order?.follow(begun: begun, ended: ended)
            state.unrefused += begun
            return nil
        }
        guard let provider else {
            _ = wake.send(true)
            return
        }
        provider.follow(begun: begun, ended: ended)
    }

    /// Returns true while the provider is not started: it will begin with the complete feed anyway.
    func restart(_ instrument: UInt32, _ kind: DataKind) -> Bool {
        provider?.restart(instrument, kind) ?? true
    }

    func stop(within timeout: Duration) -> Bool {
        let deadline = clock.deadline(after: timeout)
        let thread = state.withLock { state in
            state.isStopping = true
            return state.thread
        }
        _ = wake.send(true)
        if let thread, !thread.join(timeout: timeout) { return false }
        return provider?.stop(within: clock.remaining(until: deadline)) ?? true
    }

    func write(into json: inout JSONWriter) {
        let (provider, reason) = state.withLock { ($0.provider, $0.reason) }
        if let provider { return provider.write(into: &json) }
        json.member("state", "not started")
        json.member("reason", reason)
    }

    // MARK: attempts

    /// Tries to start the provider. Returns false when it could not be started.
    private func begin(_ channel: ProviderChannel, attempt: Int) -> Bool {
        let order = state.withLock { state in
            state.changes = []
            return state.order
        }
        guard let order else { return false }
        do {
            let provider = try kind.make(context)
            try provider.start(order, into: channel)
            handOver(to: provider)
            if attempt > 1 {
                context.telemetry.emit(.providerStarted(provider: name, attempts: attempt))
            }
            return true
        } catch {
            failed("\(error)")
            return false
        }
    }

    /// Passes the changes that came during the start to the provider, in order and before any newer
    /// one.
    private func handOver(to provider: any ProviderSource) {
        while true {
            let changes = state.withLock { state in
                let changes = state.changes ?? []
                state.changes = []
                if changes.isEmpty {
                    state.changes = nil
                    state.provider = provider
                }
                return changes
            }
            guard !changes.isEmpty else { return }
            for (begun, ended) in changes { provider.follow(begun: begun, ended: ended) }
        }
    }

    /// Handles a failed attempt: changes that came meanwhile go into the next order.
    private func failed(_ reason: String) {
        state.withLock { state in
            state.reason = reason
            for (begun, ended) in state.changes ?? [] {
                state.order?.follow(begun: begun, ended: ended)
                state.unrefused += begun
            }
            state.changes = nil
        }
        context.telemetry.emit(.providerNotStarted(provider: name, reason: reason))
    }

    /// The loop of the thread that retries. It ends when the provider is started.
    private func tryAgain(_ channel: ProviderChannel) {
        let beat = context.threads.thread("provider-retry", within: ThreadWatch.callLimit)
        defer { beat.retire() }
        var backoff = Backoff(first: waits.first, limit: waits.longest)
        var random = SystemRandomNumberGenerator()
        var due = clock.deadline(after: backoff.next(using: &random))
        var woken: [Bool] = []
        while true {
            beat.beat()
            let wait = min(Self.step, clock.remaining(until: due))
            _ = wake.receive(into: &woken, max: 1, timeout: wait)
            woken.removeAll(keepingCapacity: true)
            guard !state.withLock({ $0.isStopping }) else { return }
            reportAbsence(channel)
            guard clock.monotonic() >= due else { continue }
            guard !begin(channel, attempt: backoff.attempt + 1) else { return }
            due = clock.deadline(after: backoff.next(using: &random))
        }
    }

    // MARK: while it is not started

    /// Sends the records that the provider would send first for instruments it cannot deliver. When
    /// it is started later, it only has to continue these gaps.
    private func standIn(for order: ProviderOrder, _ channel: ProviderChannel) {
        let now = clock.now()
        let (gaps, next) = order.withoutProvider()
        var records: [ProviderRecord] = gaps.map { gap in
            .tape(
                .gap(
                    GapRecord(
                        header: TickHeader(
                            symbol: gap.instrument, providerTime: .undefined, receiveTime: now,
                            providerID: 0),
                        from: gap.from, to: gap.to, kind: gap.kind, reason: gap.reason,
                        state: .open,
                        detail: "\(name) cannot be started")))
        }
        records += order.instruments.map {
            .feed(FeedState(instrument: $0, state: .refused, time: now))
        }
        // A new channel has room.
        _ = channel.send(&records, floor: .undefined)
        state.withLock { $0.order = next }
    }

    /// Refuses the instruments that were not refused yet, and raises the floor.
    private func reportAbsence(_ channel: ProviderChannel) {
        let unrefused = state.withLock { state in
            defer { state.unrefused = [] }
            return state.unrefused
        }
        let now = clock.now()
        var records: [ProviderRecord] = unrefused.map {
            .feed(FeedState(instrument: $0, state: .refused, time: now))
        }
        let floor = now.advanced(byNanoseconds: -Self.floorBehindNanoseconds)
        guard case .full = channel.send(&records, floor: floor) else { return }
        state.withLock { $0.unrefused = unrefused + $0.unrefused }
    }
}

extension ProviderOrder {
    /// Applies a change of the list of instruments.
    fileprivate mutating func follow(begun: [UInt32], ended: [UInt32]) {
        let (gone, new) = (Set(ended), Set(begun))
        instruments.removeAll { gone.contains($0) || new.contains($0) }
        gaps.removeAll { gone.contains($0.instrument) }
        // An instrument that begins now has no gap from before.
        for number in begun where Int(number) < reached.count { reached[Int(number)] = .undefined }
        instruments += begun
    }

    /// Returns the gaps from before that last as long as no provider delivers, and the order for
    /// the provider that continues them.
    func withoutProvider() -> (gaps: [OpenGap], next: ProviderOrder) {
        var next = self
        var known: Set<OpenKind> = []
        for gap in gaps where !gap.to.isDefined {
            known.insert(OpenKind(instrument: gap.instrument, kind: gap.kind))
        }
        var missing: [OpenGap] = []
        for number in instruments {
            guard Int(number) < reached.count, reached[Int(number)].isDefined,
                let instrument = registry.instrument(number)
            else { continue }
            for kind in instrument.feeds.kinds.sorted(by: { $0.rawValue < $1.rawValue })
            where !known.contains(OpenKind(instrument: number, kind: kind)) {
                missing.append(
                    OpenGap(
                        instrument: number, kind: kind, from: reached[Int(number)],
                        to: .undefined, reason: .gatewayLost))
            }
            next.reached[Int(number)] = .undefined
        }
        next.gaps += missing
        return (missing, next)
    }

    /// A kind of data of one instrument.
    private struct OpenKind: Hashable {
        let instrument: UInt32
        let kind: DataKind
    }
}

extension ServiceEvent {
    /// Reports that one of several providers could not be started; the others deliver.
    static func providerNotStarted(provider: String, reason: String) -> Self {
        Self(
            .warning, "gateway.provider_not_started",
            "\(provider) cannot be started: \(reason): the other providers deliver, and it is "
                + "tried again",
            ("provider", .text(provider))
        ).counting(
            "mds_gateway_provider_start_failures_total",
            "an attempt to start one of several providers that failed; the other providers "
                + "deliver", "above 0: the log has the reason", labels: [("provider", provider)])
    }

    /// Reports that a provider was started after failed attempts.
    static func providerStarted(provider: String, attempts: Int) -> Self {
        Self(
            .info, "gateway.provider_started", "\(provider) could be started after all",
            ("provider", .text(provider)), ("attempts", .integer(Int64(attempts))))
    }
}
