package import MarketModel
package import Membership
package import MembershipTransport
import Primitives
import Synchronization
import TestSupport

/// The epochs of ownership records, shared by the members of one test.
package final class HandRecords: Sendable {
    private let epochs = Mutex<[Partition: UInt64]>([:])
    private let tenures = Mutex<UInt64>(0)

    package init() {}

    /// Returns a claim with the next epoch of a partition, as a member makes it.
    func claim(_ partition: Partition) -> Claim {
        let epoch = epochs.withLock { epochs in
            epochs[partition, default: 0] += 1
            return epochs[partition, default: 1]
        }
        let tenure = tenures.withLock { tenures in
            tenures += 1
            return tenures
        }
        return Claim(tenure: tenure, epoch: epoch, previous: nil, wasReleased: false)
    }

    /// An owner has opened this epoch, so the next claim is above it.
    func rise(_ partition: Partition, to epoch: UInt64) {
        epochs.withLock { $0[partition] = max($0[partition, default: 0], epoch) }
    }

    package func epoch(_ partition: Partition) -> UInt64 {
        epochs.withLock { $0[partition, default: 0] }
    }
}

/// A service's membership under a test's control. The test decides what its data plane takes and
/// releases, and reads its answers. Any thread may use it.
package final class HandMembership: Sendable {
    package let records: HandRecords
    private let state: Mutex<State>

    private struct State {
        var ports: [OwnershipPort] = []
        var held: [Partition: UInt64] = [:]
        var heard: [OwnershipAnswer] = []
        var isSteady = true
        var isLeaving = false
    }

    /// The partitions that it is given when it joins.
    private let takes: [Partition]

    package init(_ records: HandRecords = HandRecords(), takes: [Int] = []) {
        self.records = records
        self.takes = takes.map { Partition($0) }
        state = Mutex(State())
    }

    /// Takes the service's ports, and gives it the partitions of its beginning.
    package func join(_ ports: [OwnershipPort]) {
        let isSteady = state.withLock { state in
            state.ports = ports
            return state.isSteady
        }
        steady(isSteady)
        take(takes)
    }

    // MARK: what a membership says

    /// Says whether the service may act as an owner.
    package func steady(_ isSteady: Bool) {
        let ports = state.withLock { state in
            state.isSteady = isSteady
            return state.ports
        }
        for port in ports { port.steady(until: isSteady ? .never : .distantPast) }
    }

    package func take(_ partitions: [Partition]) {
        for partition in partitions {
            let claim = records.claim(partition)
            state.withLock { $0.held[partition] = claim.tenure }
            send(.take(partition, claim), partition)
        }
    }

    package func take(_ partition: Int) { take([Partition(partition)]) }

    /// Orders a release and waits for the answer. Returns false if there was none in time. A
    /// partition that was lost before is not ordered.
    package func release(_ partition: Int) -> Bool {
        let partition = Partition(partition)
        listen()
        guard let tenure = state.withLock({ $0.held[partition] }) else { return true }
        send(.release(partition, tenure: tenure), partition)
        return eventually { holds(partition) == false }
    }

    /// Takes a partition away without waiting for an answer, as after a loss.
    package func drop(_ partition: Int) {
        let partition = Partition(partition)
        guard let tenure = state.withLock({ $0.held.removeValue(forKey: partition) }) else {
            return
        }
        send(.drop(partition, tenure: tenure), partition)
    }

    /// Sends any order to the port that it concerns.
    package func sendRaw(_ order: OwnershipOrder) {
        switch order {
        case .take(let partition, _), .release(let partition, _), .drop(let partition, _):
            send(order, partition)
        }
    }

    private func send(_ order: OwnershipOrder, _ partition: Partition) {
        // A service that is still starting has no ports yet.
        let isIn = eventually {
            state.withLock { $0.ports.first { $0.partitions.contains(partition) } }?
                .send(order) ?? false
        }
        precondition(isIn, "no port takes \(order)")
    }

    // MARK: what the data plane says

    /// All reports so far.
    package var heard: [OwnershipAnswer] {
        listen()
        return state.withLock { $0.heard }
    }

    /// Whether it was given the partition and has neither released nor lost it.
    package func holds(_ partition: Partition) -> Bool {
        listen()
        return state.withLock { $0.held[partition] != nil }
    }

    /// Whether the service works on the partition since it was given the last time.
    package func hasOpened(_ partition: Int) -> Bool {
        heard.contains {
            guard case .opened(Partition(partition), let tenure, _) = $0 else { return false }
            return tenure == state.withLock { $0.held[Partition(partition)] }
        }
    }

    /// Whether the service has ever reported the loss of the partition.
    package func hasLost(_ partition: Int) -> Bool {
        heard.contains {
            if case .lost(Partition(partition), _, _) = $0 { true } else { false }
        }
    }

    private func listen() {
        state.withLock { state in
            var news: [OwnershipAnswer] = []
            for port in state.ports { port.takeAnswers(into: &news) }
            for word in news {
                state.heard.append(word)
                switch word {
                case .opened(let partition, _, let epoch): records.rise(partition, to: epoch)
                case .released, .lost:
                    if state.held[word.partition] == word.tenure {
                        state.held[word.partition] = nil
                    }
                }
            }
        }
    }

    // MARK: as a service sees it

    package func leave() {
        let held = state.withLock { state in
            state.isLeaving = true
            return state.held
        }
        for (partition, tenure) in held { send(.release(partition, tenure: tenure), partition) }
    }

    package var hasLeft: Bool {
        listen()
        return state.withLock { $0.isLeaving && $0.held.isEmpty }
    }

    package func close() {}
}
