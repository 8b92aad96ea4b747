import Membership

/// What a group asks of NATS and of its members. A delivery is one message to one member.
struct ScaleCounts {
    var heartbeats = 0
    var heartbeatBytes = 0
    var deliveries = 0
    var asks = 0
    /// Reads of the bucket, and the records that they returned.
    var reads = 0
    var wholeReads = 0
    var records = 0
    var writes = 0
    var conflicts = 0
    var claims = 0
    var handOvers = 0
    var drops = 0
    var pauses = 0
    var ignored = 0
    /// Claims of partitions whose owner in the record was alive and not stopped.
    var robberies = 0

    /// What nats-server is asked for records: a read asks for the state of the bucket, then for
    /// each record.
    var requests: Int { reads + records + writes }

    /// Returns what was added since `before`.
    func since(_ before: ScaleCounts) -> ScaleCounts {
        var rest = self
        for path in Self.all { rest[keyPath: path] -= before[keyPath: path] }
        return rest
    }

    private static let all: [any WritableKeyPath<ScaleCounts, Int> & Sendable] = [
        \.heartbeats, \.heartbeatBytes, \.deliveries, \.asks, \.reads, \.wholeReads, \.records,
        \.writes, \.conflicts, \.claims, \.handOvers, \.drops, \.pauses, \.ignored, \.robberies,
    ]

    mutating func count(_ note: MembershipNote) {
        switch note {
        case .claimed: claims += 1
        case .released: handOvers += 1
        case .dropped: drops += 1
        case .state(.paused, _): pauses += 1
        case .tooManyMembers: ignored += 1
        case .state, .readFailed, .refusedRecord, .came, .went, .fenced, .doubled, .writeFailed,
            .bucketReplaced, .leaseDiffers, .drainAsked, .drainEnded, .refusedDrain:
            break
        }
    }
}
