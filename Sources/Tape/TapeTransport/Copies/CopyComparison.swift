internal import Primitives

/// Compares what the servers' own monitors say about their copies of a stream.
///
/// The stream's leader knows of a follower only how far the log was handed over. Whether the
/// follower's store really has it, only that server's monitor shows. The monitors are asked one
/// after the other, while packets are written and purged. So a difference counts only when it was
/// there in several looks in a row.
///
/// Pure.
struct CopyComparison {
    /// A server's copy of a stream.
    struct Copy: Equatable {
        let firstSequence: UInt64
        let lastSequence: UInt64
        let messages: UInt64

        /// How many messages lack between the first and the last one. Purges of single subjects
        /// leave such holes, the same in every copy.
        var holes: UInt64 {
            guard lastSequence >= firstSequence, messages > 0 else { return 0 }
            let all = (lastSequence - firstSequence) &+ 1
            return all - min(all, messages)
        }

        /// What is the same in all copies that have caught up.
        var mark: [UInt64] { [firstSequence, holes] }

        init(firstSequence: UInt64, lastSequence: UInt64, messages: UInt64) {
            self.firstSequence = firstSequence
            self.lastSequence = lastSequence
            self.messages = messages
        }

        init?(state: JSONValue?) {
            guard let firstSequence = state?["first_seq"]?.uint64,
                let lastSequence = state?["last_seq"]?.uint64,
                let messages = state?["messages"]?.uint64
            else { return nil }
            self.init(
                firstSequence: firstSequence, lastSequence: lastSequence, messages: messages)
        }
    }

    struct Verdict: Equatable {
        /// The messages that were on another copy at the look before, and are not on this one.
        var behind: UInt64
        /// Whether the copy holds other messages than most.
        var differs: Bool
    }

    /// The number of looks in a row in which a copy has to differ.
    static let looksMin = 3
    /// More servers than any cluster of three has during its changes; the others are not compared.
    static let serversMax = 8

    /// The highest sequence that any copy had at the last look.
    private var lastSeen: UInt64 = 0
    /// For how many looks in a row each server's copy has differed.
    private var streak: [String: Int] = [:]

    /// Takes a look at the copies of the stream, by server.
    mutating func look(_ copies: [String: Copy]) -> [String: Verdict] {
        let known = copies.sorted { $0.key < $1.key }.prefix(Self.serversMax)
        let usual = known.map(\.value.mark).first { mark in
            2 * known.count { $0.value.mark == mark } > known.count
        }
        var verdicts: [String: Verdict] = [:]
        var next: [String: Int] = [:]
        for (server, copy) in known {
            // Without a majority the copies are in motion, or nobody can say which one is right.
            let isOther = usual.map { $0 != copy.mark } ?? false
            let looks = isOther ? min((streak[server] ?? 0) + 1, Self.looksMin) : 0
            next[server] = looks
            verdicts[server] = Verdict(
                behind: lastSeen - min(lastSeen, copy.lastSequence),
                differs: looks >= Self.looksMin)
        }
        streak = next
        lastSeen = known.map(\.value.lastSequence).max() ?? 0
        return verdicts
    }
}
