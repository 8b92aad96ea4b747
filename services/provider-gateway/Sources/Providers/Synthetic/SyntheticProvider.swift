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
    private let settings: SyntheticTicks.Settings
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

    var resumption: ProviderResumption? { resumed.withLock { $0 } }

    func start(_ order: ProviderOrder, into channel: ProviderChannel) throws {
        let standing = SyntheticStanding(order, SyntheticMarket(settings.market))
        let ticks = SyntheticTicks(
            settings, behind: standing.ticks, now: channel.moment().wall)
        resumed.withLock {
            $0 = ProviderResumption(
                passed: ticks.passed, since: ticks.origin, floor: ticks.floor,
                missing: standing.missing(until: ticks.since), done: ticks.done)
        }
        market.withLock { $0 = ticks }
        let started = try ServiceThread(name: Self.providerName) { self.run(channel) }
        thread.withLock { $0 = started }
    }

    /// The settings decide what is delivered, so changes of lists have no effect.
    func follow(begun: [UInt32], ended: [UInt32]) {}

    func passOver(_ instruments: [UInt32]) -> Timestamp? {
        var isLost = [Bool](repeating: false, count: settings.market.symbols.count)
        for number in instruments { isLost[Int(number)] = true }
        return market.withLock { ticks in
            let until = ticks?.passOver(isLost)
            resumed.withLock { $0?.done = ticks?.done ?? [] }
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
                    resumed.withLock { $0?.passed = passed }
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
