import MarketModel
import Primitives
import ProviderKit
import ServiceRuntime
import Synchronization

/// Delivers a synthetic market on a separate thread, beginning exactly after the tape's last ticks.
final class SyntheticProvider: ProviderSource {
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
    /// The number of each symbol of the market in the registry; empty before `start`.
    private let numbers = Mutex<[UInt32]>([])
    private let threads: ThreadWatch
    /// Ticks are computed and sent under its lock. So ticks that are passed over are either in the
    /// channel or never computed.
    private let market = Mutex<SyntheticTicks?>(nil)
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
        let wanted = inOrder(order)
        guard !wanted.isEmpty else { throw SettingsError("a market needs a symbol") }
        let settings = settings.of(wanted.map(\.symbol))
        let numbers = wanted.map(\.number)
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
        self.numbers.withLock { $0 = numbers }
        market.withLock { $0 = ticks }
        let started = try ServiceThread(name: Self.providerName) { self.run(channel) }
        thread.withLock { $0 = started }
    }

    /// Returns the instruments of an order: first those of the settings, in their order, then the
    /// others. The market follows from the order of its symbols, and a standby may have numbered
    /// them in another one.
    private func inOrder(_ order: ProviderOrder) -> [(number: UInt32, symbol: Symbol)] {
        let own = settings.market.symbols
        let places = Dictionary(uniqueKeysWithValues: zip(own, own.indices))
        return order.instruments.compactMap { number in
            order.registry.instrument(number).map { (number: number, symbol: $0.symbol) }
        }.sorted {
            (places[$0.symbol] ?? Int.max, $0.symbol.text)
                < (places[$1.symbol] ?? Int.max, $1.symbol.text)
        }
    }

    /// Returns ids by the number of the instrument, of ids by symbol.
    private static func byNumber(_ ids: [UInt64], _ numbers: [UInt32]) -> [UInt64] {
        var all = [UInt64](repeating: 0, count: (numbers.max().map { Int($0) } ?? -1) + 1)
        for (number, id) in zip(numbers, ids) { all[Int(number)] = id }
        return all
    }

    /// For other instruments the provider is made anew, because another market follows from them.
    func follow(begun: [UInt32], ended: [UInt32]) {}

    var standings: [InstrumentStanding] {
        numbers.withLock { $0 }.map { InstrumentStanding(instrument: $0, state: .subscribed) }
    }

    func passOver(_ instruments: [UInt32]) -> Timestamp? {
        let numbers = numbers.withLock { $0 }
        let lost = Set(instruments)
        let isLost = numbers.map { lost.contains($0) }
        return market.withLock { ticks in
            let until = ticks?.passOver(isLost)
            resumed.withLock { $0?.done = Self.byNumber(ticks?.done ?? [], numbers) }
            return until
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
            let wait = market.withLock { ticks in
                let wait = Self.deliver(&ticks, &batch, channel)
                if wait == nil, let passed = ticks?.passed {
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
        _ ticks: inout SyntheticTicks?, _ batch: inout [ProviderRecord], _ channel: ProviderChannel
    ) -> Duration? {
        guard channel.count < waitingMax else { return waitMin }
        let now = channel.moment().wall
        ticks?.take(dueAt: now, ticksMax: batchTicks, into: &batch)
        switch channel.send(&batch, floor: ticks?.floor ?? .undefined) {
        case .sent: break
        case .full: return waitMin
        case .closed: return nil
        }
        guard let due = ticks?.nextDue else {
            channel.finish()
            return nil
        }
        guard due > now else { return .zero }
        return min(waitMax, max(waitMin, .nanoseconds(due.nanoseconds(since: now))))
    }
}
