package import MarketModel
package import Primitives

/// The positions that groups reported. The latest report of each position counts, also when it goes
/// back. Pure.
package struct PositionStore: Sendable {
    /// What a position is about.
    package struct Place: Hashable, Sendable {
        package var input: ReaderPosition.Input
        package var partition: Partition

        package init(_ position: ReaderPosition) {
            self.init(input: position.input, partition: position.partition)
        }

        package init(input: ReaderPosition.Input, partition: Partition) {
            self.input = input
            self.partition = partition
        }
    }

    /// The reports of one group.
    package struct Reports: Sendable {
        package fileprivate(set) var positions: [Place: ReaderPosition] = [:]
        /// When a report last came, monotonic.
        package fileprivate(set) var receivedAt: MonotonicTime
        /// Increases whenever any of the positions changes.
        package fileprivate(set) var changes: UInt64 = 0
    }

    /// The most groups. Reports of further groups are ignored.
    package static let groupsMax = 64

    package private(set) var groups: [String: Reports] = [:]

    package init() {}

    /// Takes the positions of a message. Returns false when there are too many groups.
    @discardableResult
    mutating func receive(_ message: PositionMessage, now: MonotonicTime) -> Bool {
        guard groups[message.group] != nil || groups.count < Self.groupsMax else { return false }
        var reports = groups[message.group] ?? Reports(receivedAt: now)
        reports.receivedAt = now
        for position in message.positions {
            let place = Place(position)
            guard reports.positions[place] != position else { continue }
            reports.positions[place] = position
            reports.changes += 1
        }
        groups[message.group] = reports
        return true
    }
}
