package import Membership

/// How far the slowest registered group is behind the tape, as a source sees it that can wait.
package struct StoreBacklog: Hashable, Sendable {
    /// The group that lags most. A lag that is not known counts as none.
    package struct Slowest: Hashable, Sendable {
        package var group: GroupName
        /// The number of unread ticks and bars, as far as it is known.
        package var ticks: UInt64

        package init(group: GroupName, ticks: UInt64) {
            self.group = group
            self.ticks = ticks
        }
    }

    /// `nil`: no group is registered.
    package var slowest: Slowest?
    /// How many ordinals of the source are counted in it, over all partitions; `nil`: its heads
    /// were not heard yet. What the source has put on the tape since is not in `slowest`.
    package var counted: UInt64?

    package init(slowest: Slowest?, counted: UInt64?) {
        self.slowest = slowest
        self.counted = counted
    }
}

extension StoreBacklog {
    /// The slowest of these groups; of two that lag alike the first by name.
    static func slowest(of lags: [GroupName: LagTable.Lag?]) -> Slowest? {
        lags.map { Slowest(group: $0, ticks: $1?.ticks ?? 0) }.max {
            ($0.ticks, $1.group.text) < ($1.ticks, $0.group.text)
        }
    }
}
