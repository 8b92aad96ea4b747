import MarketModel
import Membership
import MembershipTransport
import Primitives
import Synchronization
import Testing

@Suite("The data plane's end of a membership")
struct OwnershipPortTests {
    private static let claim = Claim(tenure: 1, epoch: 7, previous: nil, wasReleased: true)

    @Test("orders come in their order, and each wakes the data plane")
    func orders() {
        let woken = Counted()
        let port = OwnershipPort(partitions: [Partition(0), Partition(4)]) { woken.add() }
        #expect(port.send(.take(Partition(4), Self.claim)))
        #expect(port.send(.release(Partition(4), tenure: 1)))
        var orders: [OwnershipOrder] = []
        port.take(into: &orders)
        #expect(
            orders == [.take(Partition(4), Self.claim), .release(Partition(4), tenure: 1)])
        port.take(into: &orders)
        #expect(orders.count == 2)
        #expect(woken.count == 2)
    }

    @Test("a port that nobody empties refuses at its limit, and takes again when it is emptied")
    func limit() {
        let port = OwnershipPort(partitions: [Partition(0)]) {}
        var sent = 0
        while port.send(.drop(Partition(0), tenure: 1)), sent < 1_000 { sent += 1 }
        #expect(sent == 8)
        var orders: [OwnershipOrder] = []
        port.take(into: &orders)
        #expect(orders.count == sent)
        #expect(port.send(.drop(Partition(0), tenure: 1)))
    }

    @Test("answers reach the membership, which is woken")
    func answers() {
        let woken = Counted()
        let port = OwnershipPort(partitions: [Partition(0)]) {}
        port.onAnswer { woken.add() }
        port.answer(.opened(Partition(0), tenure: 1, epoch: 9))
        port.answer(.lost(Partition(0), tenure: 1, reason: "a higher epoch"))
        var news: [OwnershipAnswer] = []
        port.takeAnswers(into: &news)
        #expect(news.map(\.tenure) == [1, 1])
        #expect(news.allSatisfy { $0.partition == Partition(0) })
        #expect(woken.count == 2)
    }

    @Test("who was not heard for a lease is no owner any more, before it is told")
    func steady() {
        let port = OwnershipPort(partitions: [Partition(0)]) {}
        #expect(!port.isSteady(now: .at(0)))
        port.steady(until: .at(500))
        #expect(port.isSteady(now: .at(499)))
        #expect(!port.isSteady(now: .at(500)))
    }
}

private final class Counted: Sendable {
    private let value = Atomic<Int>(0)
    var count: Int { value.load(ordering: .sequentiallyConsistent) }
    func add() { value.add(1, ordering: .sequentiallyConsistent) }
}
