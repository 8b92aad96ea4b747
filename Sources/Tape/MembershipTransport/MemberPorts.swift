internal import MarketModel
internal import Membership
internal import Primitives

/// The ports of a member's data planes, with the orders that wait for each.
struct MemberPorts {
    private let ports: [OwnershipPort]
    /// By port.
    private var boxes: [OrderBox]
    /// The index of each partition's port, by partition number.
    private let indices: [Int]

    init(_ ports: [OwnershipPort], partitions: Int) {
        self.ports = ports
        boxes = ports.map { _ in OrderBox() }
        indices = (0..<partitions).map { number in
            ports.firstIndex { $0.partitions.contains(Partition(number)) } ?? 0
        }
    }

    /// Whether no order waits.
    var areEmpty: Bool { boxes.allSatisfy(\.isEmpty) }

    func takeAnswers(into answers: inout [OwnershipAnswer]) {
        for port in ports { port.takeAnswers(into: &answers) }
    }

    func steady(until time: MonotonicTime) { for port in ports { port.steady(until: time) } }

    mutating func send(_ order: OwnershipOrder) {
        let index = indices[order.partition.number]
        boxes[index].append(order)
        boxes[index].deliver(to: ports[index])
    }

    /// Hands over what waits, as far as there is room.
    mutating func deliver() {
        for index in ports.indices { boxes[index].deliver(to: ports[index]) }
    }
}
