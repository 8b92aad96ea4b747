import Membership
import Testing

@testable import TapeKeeping

@Suite("How far the slowest group is behind")
struct StoreBacklogTests {
    private static let unknown: LagTable.Lag? = nil

    private static func lag(_ ticks: UInt64) -> LagTable.Lag? {
        LagTable.Lag(ticks: ticks, nanoseconds: 0)
    }

    @Test("the most unread ticks count; what is not known counts as none; without groups nothing")
    func slowest() throws {
        let old = try #require(GroupName("old-archive"))
        #expect(StoreBacklog.slowest(of: [:]) == nil)
        #expect(
            StoreBacklog.slowest(of: [.store: Self.lag(7), .operators: Self.lag(9)])
                == StoreBacklog.Slowest(group: .operators, ticks: 9))
        #expect(
            StoreBacklog.slowest(of: [.store: Self.lag(7), old: Self.unknown])
                == StoreBacklog.Slowest(group: .store, ticks: 7))
        #expect(
            StoreBacklog.slowest(of: [.store: Self.unknown])
                == StoreBacklog.Slowest(group: .store, ticks: 0))
        // Of two that are alike, always the same one.
        #expect(
            StoreBacklog.slowest(of: [.store: Self.lag(7), .operators: Self.lag(7)])?.group
                == .operators)
    }
}
