internal import Synchronization
package import Primitives
package import TapeCodec

/// Decides which packets are sent: a share of all, drawn by their ids, and those that are found
/// late, refused or slow. Any thread may call it.
package final class TraceChoice: Sendable {
    /// The most packets that are sent in a second because they were slow, and the most because
    /// something else was found. A service that is behind finds all of them slow.
    package static let foundPerSecond = 20

    private let namespace: UInt64
    private let share: Double
    let slowNanoseconds: Int64
    private let found = Mutex(Found())

    private struct Found {
        var second: Int64 = 0
        var slow = 0
        var others = 0
    }

    package enum Verdict: Sendable {
        case send(PacketTrace)
        /// Neither drawn nor found.
        case pass
        /// It was found, but too many were before it.
        case leaveOut
    }

    package init(namespace: String, share: Double, slowNanoseconds: Int64) {
        self.namespace = Checksum.of(namespace)
        self.share = share
        self.slowNanoseconds = slowNanoseconds
    }

    /// Decides on a packet that took so long, and of which this was found besides.
    package func verdict(
        _ header: PacketHeader, took nanoseconds: Int64, _ found: PacketTrace.Reason?,
        now: Timestamp
    ) -> Verdict {
        let reason = found ?? (nanoseconds > slowNanoseconds ? .slow : nil)
        let id = id(of: header)
        if id.isSampled(share) {
            return .send(PacketTrace(id, header, reason, isDrawn: true))
        }
        guard let reason else { return .pass }
        return mayFind(reason, now) ? .send(PacketTrace(id, header, reason)) : .leaveOut
    }

    func id(of header: PacketHeader) -> TraceID { TraceID(namespace: namespace, header) }

    /// Returns whether one more packet may be sent in this second for this reason.
    func mayFind(_ reason: PacketTrace.Reason, _ now: Timestamp) -> Bool {
        let second = now.nanoseconds / 1_000_000_000
        return found.withLock { found in
            if found.second != second { found = Found(second: second) }
            if reason == .slow {
                found.slow += 1
                return found.slow <= Self.foundPerSecond
            }
            found.others += 1
            return found.others <= Self.foundPerSecond
        }
    }
}
