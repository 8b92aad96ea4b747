internal import MarketModel
internal import Membership

/// Orders, in sequence, that wait for a port that may be full. A `take` that the data plane has not
/// received is removed together with its `drop`, so that there are never more than a few orders per
/// partition.
struct OrderBox {
    private var orders: [OwnershipOrder] = []

    var isEmpty: Bool { orders.isEmpty }
    var count: Int { orders.count }

    /// Adds an order. A `drop` replaces all waiting orders of its tenure.
    mutating func append(_ order: OwnershipOrder) {
        if case .drop(let partition, let tenure) = order {
            let isUnseen = orders.contains {
                if case .take(partition, let claim) = $0 { return claim.tenure == tenure }
                return false
            }
            orders.removeAll { $0.partition == partition && $0.tenure == tenure }
            if isUnseen { return }
        }
        orders.append(order)
    }

    /// Hands over as many orders as the port has room for.
    mutating func deliver(to port: OwnershipPort) {
        guard !orders.isEmpty else { return }
        var sent = 0
        while sent < orders.count, port.send(orders[sent]) { sent += 1 }
        orders.removeFirst(sent)
    }
}
