import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import Synchronization

/// Delivers a synthetic market on a separate thread, beginning exactly after the tape's last ticks.
final class SyntheticProvider: ProviderSource {
    /// A market that runs, and where its ticks go.
    private struct Running {
        var ticks: SyntheticTicks
        /// Where an earlier process left off, also with symbols that come later.
        var standing: SyntheticStanding
        let registry: InstrumentRegistry
        let channel: ProviderChannel
        var changes = SyntheticChanges()

        mutating func take(dueAt now: Timestamp, into batch: inout [ProviderRecord]) {
            changes.take(dueAt: now, ticksMax: batchTicks, from: &ticks, into: &batch)
        }
    }

    static let providerName = "synthetic"

    /// The maximum of ticks that are computed in one batch. It bounds how long other threads wait
    /// for the market.
    private static let batchTicks = 1_024
    /// The maximum of ticks that wait for the gateway.
    private static let waitingMax = 8 * batchTicks
    /// The shortest wait, so that ticks due within it are sent in one batch. It is also the wait
    /// before a full channel is tried again.
    private static let waitMin = Duration.milliseconds(1)
    private static let waitMax = Duration.seconds(1)

    let name = providerName
    /// As configured; the symbols of the market are those of the order.
    private let settings: SyntheticTicks.Settings
    private let threads: ThreadWatch
    /// Ticks are computed and sent under its lock. So ticks that are passed over are either in the
    /// channel or never computed. `nil` before `start`.
    private let market = Mutex<Running?>(nil)
    private let resumed = Mutex<ProviderResumption?>(nil)
    private let shutdown = ShutdownSignal()
    private let thread = Mutex<ServiceThread?>(nil)

    init(_ context: ProviderKind.Context) throws {
        settings = try SyntheticTicks.Settings(context.configuration)
        threads = context.threads
    }

    /// A market in real time cannot wait.
    var isUrgent: Bool { settings.pace == .realtime }
    var waitsForReaders: Bool { !isUrgent }

    var resumption: ProviderResumption? { resumed.withLock { $0 } }

    func start(_ order: ProviderOrder, into channel: ProviderChannel) throws {
        let numbers = inOrder(order.instruments, order.registry)
        guard !numbers.isEmpty else { throw SettingsError("a market needs a symbol") }
        let settings = settings(numbers, order.registry)
        let standing = SyntheticStanding(order, SyntheticMarket(settings.market))
        let ticks = SyntheticTicks(
            settings, behind: standing.ticks, now: channel.moment().wall, numbers: numbers)
        let missing = standing.missing(until: ticks.since).map { gap in
            var gap = gap
            gap.instrument = numbers[Int(gap.instrument)]
            return gap
        }
        resumed.withLock {
            $0 = ProviderResumption(
                passed: ticks.passed, since: ticks.origin, floor: ticks.floor, missing: missing,
                done: Self.byNumber(ticks.done, numbers))
        }
        // A market behind another one begins within bars, which are partial by that.
        let follows = standing.ticks.latest.map { ticks.origin > $0 } ?? false
        var changes = SyntheticChanges()
        if follows { changes.add(.start, numbers, of: ticks) }
        let began = changes
        market.withLock {
            $0 = Running(
                ticks: ticks, standing: standing, registry: order.registry, channel: channel,
                changes: began)
        }
        let started = try ServiceThread(name: Self.providerName) { self.run(channel) }
        thread.withLock { $0 = started }
    }

    /// Returns the instruments of an order: first those of the settings, in their order, then the
    /// others. Which symbol has a tick follows from their order, and a standby may have numbered
    /// them in another one.
    private func inOrder(
        _ instruments: some Sequence<UInt32>, _ registry: InstrumentRegistry
    ) -> [UInt32] {
        let own = settings.market.symbols
        let places = Dictionary(uniqueKeysWithValues: zip(own, own.indices))
        return instruments.compactMap { number in
            registry.instrument(number).map { (number: number, symbol: $0.symbol) }
        }.sorted {
            (places[$0.symbol] ?? Int.max, $0.symbol.text)
                < (places[$1.symbol] ?? Int.max, $1.symbol.text)
        }.map(\.number)
    }

    /// Returns the settings of a market of these instruments.
    private func settings(
        _ numbers: [UInt32], _ registry: InstrumentRegistry
    ) -> SyntheticTicks.Settings {
        settings.of(numbers.compactMap { registry.instrument($0)?.symbol })
    }

    /// Returns ids by the number of the instrument, of ids by symbol.
    private static func byNumber(_ ids: [UInt64], _ numbers: [UInt32]) -> [UInt64] {
        var all = [UInt64](repeating: 0, count: (numbers.max().map { Int($0) } ?? -1) + 1)
        for (number, id) in zip(numbers, ids) { all[Int(number)] = id }
        return all
    }

    func follow(begun: [UInt32], ended: [UInt32]) {
        market.withLock { running in
            guard var changed = running, !changed.ticks.isFinished else { return }
            let before = Set(changed.ticks.numbers)
            let after = before.subtracting(ended).union(begun)
            let numbers = inOrder(after, changed.registry)
            changed.changes.add(.stop, before.subtracting(after).sorted(), of: changed.ticks)
            let settings = settings(numbers, changed.registry)
            changed.standing.follow(settings.market.symbols)
            changed.ticks.follow(settings, numbers: numbers, behind: changed.standing.ticks)
            changed.changes.add(.start, after.subtracting(before).sorted(), of: changed.ticks)
            let done = Self.byNumber(changed.ticks.done, numbers)
            resumed.withLock { $0?.done = done }
            running = changed
        }
    }

    var standings: [InstrumentStanding] {
        market.withLock { $0?.ticks.numbers ?? [] }
            .map { InstrumentStanding(instrument: $0, state: .subscribed) }
    }

    func passOver(_ instruments: [UInt32]) -> Timestamp? {
        let lost = Set(instruments)
        return market.withLock { running in
            let numbers = running?.ticks.numbers ?? []
            let until = running?.ticks.passOver(numbers.map { lost.contains($0) })
            let done = Self.byNumber(running?.ticks.done ?? [], numbers)
            resumed.withLock { $0?.done = done }
            return until ?? nil
        }
    }

    func stop(within timeout: Duration) -> Bool {
        shutdown.request("the gateway stops the market")
        return thread.withLock { $0 }?.join(timeout: timeout) ?? true
    }

    /// Nothing to add: the gateway writes the settings.
    func write(into json: inout JSONWriter) {}

    // MARK: the thread

    private func run(_ channel: ProviderChannel) {
        let beat = threads.thread("synthetic")
        defer { beat.retire() }
        var batch: [ProviderRecord] = []
        while true {
            beat.beat()
            let wait = market.withLock { running in
                let wait = Self.deliver(&running, &batch, channel)
                if wait == nil, let passed = running?.ticks.passed {
                    resumed.withLock { $0?.end = passed }
                }
                return wait
            }
            guard let wait, !shutdown.wait(timeout: wait) else { return }
        }
    }

    /// Sends the ticks that are due. Returns when the next tick is due, or `nil` when no more will
    /// come.
    private static func deliver(
        _ running: inout Running?, _ batch: inout [ProviderRecord], _ channel: ProviderChannel
    ) -> Duration? {
        guard channel.count < waitingMax else { return waitMin }
        let now = channel.moment().wall
        running?.take(dueAt: now, into: &batch)
        switch channel.send(&batch, floor: running?.ticks.floor ?? .undefined) {
        case .sent: break
        case .full: return waitMin
        case .closed: return nil
        }
        guard let due = running?.ticks.nextDue else {
            channel.finish()
            return nil
        }
        guard due > now else { return .zero }
        return min(waitMax, max(waitMin, .nanoseconds(due.nanoseconds(since: now))))
    }
}
