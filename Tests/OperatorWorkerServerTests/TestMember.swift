import MarketModel
import Membership
import MembershipTransport
import Primitives
import Synchronization
import TestSupport

@testable import OperatorWorker

/// The membership of a worker in this process. It orders what the test decides, and records what it
/// is told. It does not react to `lost`, and at a stop it releases everything.
final class TestMember: OwnershipMember, Sendable {
    typealias Word = (word: OwnershipAnswer, at: ContinuousClock.Instant)

    private struct State {
        var port: OwnershipPort?
        var tenure: UInt64 = 0
        var held: [Partition: UInt64] = [:]
        var news: [Word] = []
    }

    private let state = Mutex(State())
    private let initial: [Int]

    /// `takes` are ordered as soon as there is a port.
    init(takes initial: [Int]) { self.initial = initial }

    func attach(_ port: OwnershipPort) {
        state.withLock { $0.port = port }
        port.onAnswer { [weak self] in self?.hear() }
        isSteady(true)
        for partition in initial { take(partition) }
    }

    private var port: OwnershipPort? { state.withLock { $0.port } }

    func isSteady(_ isSteady: Bool) { port?.steady(until: isSteady ? .never : .distantPast) }

    // MARK: orders

    /// Gives the worker a partition. Returns the tenure.
    @discardableResult
    func take(_ partition: Int, epoch: UInt64 = 1) -> UInt64 {
        let tenure = state.withLock { state in
            state.tenure += 1
            state.held[Partition(partition)] = state.tenure
            return state.tenure
        }
        let claim = Claim(tenure: tenure, epoch: epoch, previous: nil, wasReleased: false)
        send(.take(Partition(partition), claim))
        return tenure
    }

    /// Asks the worker to hand a partition over.
    func release(_ partition: Int) {
        guard let tenure = state.withLock({ $0.held[Partition(partition)] }) else { return }
        send(.release(Partition(partition), tenure: tenure))
    }

    /// Takes a partition away without waiting for an answer, as after a loss.
    func drop(_ partition: Int) {
        let tenure = state.withLock { $0.held.removeValue(forKey: Partition(partition)) }
        if let tenure { send(.drop(Partition(partition), tenure: tenure)) }
    }

    /// Waits for the port, because the worker may still be starting.
    func send(_ order: OwnershipOrder) {
        _ = eventually { port != nil }
        _ = port?.send(order)
    }

    // MARK: news

    /// Called on the worker's thread after each report.
    private func hear() {
        var heard: [OwnershipAnswer] = []
        port?.takeAnswers(into: &heard)
        let now = ContinuousClock.now
        state.withLock { state in
            for word in heard {
                state.news.append((word, now))
                if case .opened = word { continue }
                if state.held[word.partition] == word.tenure { state.held[word.partition] = nil }
            }
        }
    }

    /// All reports so far.
    var times: [Word] { state.withLock { $0.news } }
    var news: [OwnershipAnswer] { times.map(\.word) }

    var held: [Int] {
        state.withLock { $0.held.keys.map(\.number).sorted() }
    }

    /// Returns the epoch in the last report about this partition.
    func epoch(_ partition: Int) -> UInt64? {
        news.reduce(nil) { last, word in
            guard case .opened(Partition(partition), _, let epoch) = word else { return last }
            return epoch
        }
    }

    func hasOpened(_ partition: Int, tenure: UInt64) -> Bool {
        news.contains {
            if case .opened(Partition(partition), tenure, _) = $0 { return true }
            return false
        }
    }

    var lost: [Int] {
        news.compactMap {
            if case .lost(let partition, _, _) = $0 { return partition.number }
            return nil
        }.sorted()
    }

    /// Waits until the worker has the partition, because it may still be starting. Then waits until
    /// the worker has released it.
    func handOver(_ partition: Int) -> Bool {
        guard eventually({ held.contains(partition) }) else { return false }
        release(partition)
        return eventually { !held.contains(partition) }
    }

    // MARK: the worker's side

    func leave() { for partition in held { release(partition) } }
    var hasLeft: Bool { held.isEmpty }
}
