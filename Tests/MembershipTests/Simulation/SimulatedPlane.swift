import MarketModel
import Membership

extension OwnershipOrder {
    /// Returns what a data plane answers when it has carried the order out, with an epoch that may
    /// be above the claimed one. `nil`: nothing.
    func answer(aboveEpoch above: UInt64 = 0) -> OwnershipAnswer? {
        switch self {
        case .take(let partition, let claim):
            .opened(partition, tenure: claim.tenure, epoch: claim.epoch + above)
        case .release(let partition, let tenure): .released(partition, tenure: tenure)
        case .drop: nil
        }
    }
}

/// A data plane as seen from outside: the partitions it works on.
struct SimulatedPlane {
    struct Tenure {
        let number: UInt64
        var isReleasing = false
    }

    private(set) var open: [Int: Tenure] = [:]
    /// Orders that make no sense.
    private(set) var nonsense: [String] = []
    private(set) var taken = 0
    private(set) var ended = 0

    /// Carries an order out, or notes that it makes no sense.
    mutating func obey(_ order: OwnershipOrder) {
        let partition = order.partition.number
        switch order {
        case .take(_, let claim):
            if open[partition] != nil { nonsense.append("\(order) while it is open") }
            open[partition] = Tenure(number: claim.tenure)
            taken += 1
        case .release:
            guard open[partition]?.number == order.tenure, open[partition]?.isReleasing == false
            else { return nonsense.append("\(order) of what is not open") }
            open[partition]?.isReleasing = true
        case .drop:
            guard open[partition]?.number == order.tenure else {
                return nonsense.append("\(order) of what is not open")
            }
            open[partition] = nil
            ended += 1
        }
    }

    /// Returns false if the tenure has ended meanwhile.
    mutating func finishRelease(_ partition: Int, _ tenure: UInt64) -> Bool {
        guard open[partition]?.number == tenure else { return false }
        open[partition] = nil
        ended += 1
        return true
    }

    /// Another process has written. Returns the tenure that is lost.
    mutating func lose(_ partition: Int) -> UInt64? {
        guard let tenure = open.removeValue(forKey: partition) else { return nil }
        ended += 1
        return tenure.number
    }
}
