import MarketModel
import Testing

@testable import ProviderKit

/// The orders of a gateway to the thread of its provider.
@Suite struct ProviderInboxTests {
    @Test("an instrument is in each list once, and an order is taken once")
    func lists() {
        let orders = ProviderInbox()
        orders.follow(begun: [1, 2, 1], ended: [3, 3])
        orders.restart(2, .depth)
        orders.restart(2, .depth)
        orders.restart(2, .quote)
        let taken = orders.take()
        #expect(taken.begun == [1, 2] && taken.ended == [3])
        #expect(taken.restarted.map(\.instrument) == [2, 2])
        #expect(taken.restarted.map(\.kind) == [.depth, .quote])
        let rest = orders.take()
        #expect(rest.begun.isEmpty && rest.ended.isEmpty && rest.restarted.isEmpty)
    }

    @Test("an end takes back an earlier beginning, and what begins again is in both lists")
    func takenBack() {
        let orders = ProviderInbox()
        orders.follow(begun: [1], ended: [])
        orders.follow(begun: [], ended: [1])
        var taken = orders.take()
        #expect(taken.begun.isEmpty && taken.ended == [1])
        orders.follow(begun: [4], ended: [4])
        taken = orders.take()
        #expect(taken.begun == [4] && taken.ended == [4])
    }

    @Test("the order to stop stays")
    func stop() {
        let orders = ProviderInbox()
        #expect(!orders.take().isStopping)
        orders.stop()
        #expect(orders.take().isStopping && orders.take().isStopping)
    }
}
