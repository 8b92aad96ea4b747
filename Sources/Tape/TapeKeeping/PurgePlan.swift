package import MarketModel
package import Membership
package import Primitives
package import TapeCodec
package import TapeTransport

/// The known facts about a stream when its purge is planned. Pure. A *floor* is how far a group has
/// read a partition for good, so that the tape need not keep anything below it for this group.
package struct PurgeFacts: Sendable {
    /// One subject of the stream.
    package struct Subject: Hashable, Sendable {
        package var name: String
        /// The subject's partition. `nil` for watermarks, which the readers of all partitions read.
        package var partition: Partition?
        /// The sequences that must stay whatever was read: the subject's newest message and, if
        /// that is a marker, the messages before it down to the last one with content. Ascending.
        package var pins: [UInt64]
    }

    /// The need of one group on one partition.
    package struct Floor: Hashable, Sendable {
        package var group: GroupName
        package var partition: Partition
        /// The group will never again read anything below this sequence. 0: it may need everything.
        package var sequence: UInt64
        /// Why `sequence` is 0; `nil` otherwise.
        package var reason: String?
        /// Whether the tape waits for the group. A group that is not needed is let go where the
        /// stream would otherwise stay above its goal.
        package var isNeeded: Bool

        package init(
            group: GroupName, partition: Partition, sequence: UInt64, reason: String? = nil,
            isNeeded: Bool = true
        ) {
            self.group = group
            self.partition = partition
            self.sequence = sequence
            self.reason = reason
            self.isNeeded = isNeeded
        }

        /// `standing` is the packet that the stream holds at the position's sequence. Without proof
        /// that the reader read this very stream up to there, it may need all of it.
        package init(
            group: GroupName, partition: Partition, position: ReaderPosition?,
            streamCreated: Timestamp, standing: PacketIdentity?
        ) {
            self.init(group: group, partition: partition, sequence: 0)
            guard let position else {
                reason = "it has told no position"
                return
            }
            guard position.durable > 0 else {
                reason = "nothing of it is durable yet"
                return
            }
            guard let proof = position.proof else {
                reason = "it does not say which packet it has read"
                return
            }
            guard proof.streamCreated == streamCreated, proof.packet == standing else {
                reason = "its position is not of this tape: 'tapeline position verify'"
                return
            }
            sequence = position.durable
        }
    }

    package var firstSequence: UInt64
    package var lastSequence: UInt64
    /// Everything below this sequence is old enough to be purged.
    package var agedBelow: UInt64
    package var subjects: [Subject]
    /// One for each partition of the stream and each registered group that reads it.
    package var floors: [Floor]
    /// Whether a store is registered. A stream that no group reads is then one that none wants.
    package var hasStore = false
}

/// The parts of a stream that may be purged, and what prevents more. Groups that are not needed
/// prevent nothing, but stores do where none is needed. Pure.
package struct PurgePlan: Sendable {
    /// The group or rule that decided how far a purge may go.
    package enum Holder: Hashable, Sendable {
        /// No registered group reads the stream, and no store is registered.
        case nobodyRegistered
        /// What is left is not old enough.
        case age
        /// This group may still need what is left.
        case group(PurgeFacts.Floor)
    }

    /// The purge of one subject below a sequence.
    package struct SubjectPurge: Hashable, Sendable {
        package var subject: String
        package var below: UInt64
    }

    package let firstSequence: UInt64
    /// Everything below this sequence may be purged, except the pins.
    package let clearBelow: UInt64
    /// Ascending.
    package let pins: [UInt64]
    /// The purges of single subjects that leave their pins in place.
    package let subjects: [SubjectPurge]
    /// Purges beyond `clearBelow`, for subjects whose own readers have read further.
    package let beyond: [SubjectPurge]
    /// Why no more may be purged.
    package let holder: Holder
    /// The floors of groups that may be let go.
    private let unneeded: [PurgeFacts.Floor]
    /// The partitions of the subjects that can be purged beyond `clearBelow`.
    private let partitions: [String: Partition]
    /// The newest message of the subjects of each partition.
    private let newest: [Partition: UInt64]

    package init(_ facts: PurgeFacts) {
        firstSequence = facts.firstSequence
        let all = facts.floors.map { Self.caughtUp(Self.credible($0, facts), facts) }
        // A store is let go only of what one that is needed has: else no store would have it.
        let hasNeededStore = all.contains { $0.isNeeded && $0.group.isStore }
        let isHeld = { (floor: PurgeFacts.Floor) in
            floor.isNeeded || floor.group.isStore && !hasNeededStore
        }
        let floors = all.filter(isHeld)
        unneeded = all.filter { !isHeld($0) }
        newest = facts.subjects.reduce(into: [:]) { newest, subject in
            guard let partition = subject.partition, let last = subject.pins.last else { return }
            newest[partition] = max(newest[partition] ?? 0, last)
        }
        partitions = facts.subjects.reduce(into: [:]) { $0[$1.name] = $1.partition }
        let lowest = floors.min { $0.sequence < $1.sequence }
        guard !all.isEmpty || facts.hasStore else {
            clearBelow = 0
            pins = []
            subjects = []
            beyond = []
            holder = .nobodyRegistered
            return
        }
        // A purge beyond the end would move the end.
        let end = min(facts.agedBelow, facts.lastSequence)
        let clear = lowest?.sequence ?? end
        clearBelow = min(clear, end)
        if let lowest, clear < end { holder = .group(lowest) } else { holder = .age }
        pins = facts.subjects.flatMap(\.pins).filter { $0 >= facts.firstSequence }.sorted()
        subjects = facts.subjects.compactMap { subject in
            // Without pins nothing is known about the subject.
            subject.pins.first.map { SubjectPurge(subject: subject.name, below: $0) }
        }
        beyond = facts.subjects.compactMap { subject in
            guard let partition = subject.partition else { return nil }
            let own = floors.filter { $0.partition == partition }.map(\.sequence)
            guard let need = own.min(), let pin = subject.pins.first else { return nil }
            let below = min(need, end, pin)
            return below > min(clear, end)
                ? SubjectPurge(subject: subject.name, below: below) : nil
        }
    }

    /// A group that is not needed, and below which sequence its partition was purged: at most its
    /// newest message, which stays.
    package struct LetGo: Hashable, Sendable {
        package var floor: PurgeFacts.Floor
        package var below: UInt64
    }

    /// Returns whom a purge lets go that has removed everything below `end`, and of single subjects
    /// what `beyond` says. A purge takes the oldest messages first and ends at its goal. So it lets
    /// go only of groups without which the stream would stay above its goal.
    package func letGo(below end: UInt64, beyond: [SubjectPurge] = []) -> [LetGo] {
        unneeded.compactMap { floor in
            let own = beyond.filter { partitions[$0.subject] == floor.partition }.map(\.below)
            let purged = max(end > firstSequence ? end : 0, own.max() ?? 0)
            let below = min(purged, newest[floor.partition] ?? 0)
            return floor.sequence < below ? LetGo(floor: floor, below: below) : nil
        }
    }

    /// A group that has read the newest message of every subject of its partition needs nothing
    /// below the end. So an idle partition, on which a position does not move, does not prevent a
    /// purge. Messages that came after the end was read have higher sequences.
    private static func caughtUp(
        _ floor: PurgeFacts.Floor, _ facts: PurgeFacts
    ) -> PurgeFacts.Floor {
        let own = facts.subjects.filter {
            $0.partition == nil || $0.partition == floor.partition
        }
        // Without pins nothing is known about a subject.
        guard floor.sequence > 0, own.allSatisfy({ ($0.pins.last ?? .max) <= floor.sequence })
        else { return floor }
        var needless = floor
        needless.sequence = facts.lastSequence
        return needless
    }

    /// A position above the end of the stream belongs to another stream and proves nothing.
    private static func credible(
        _ floor: PurgeFacts.Floor, _ facts: PurgeFacts
    ) -> PurgeFacts.Floor {
        guard floor.sequence > facts.lastSequence else { return floor }
        var none = floor
        none.sequence = 0
        none.reason = "its position is above the end of the stream"
        return none
    }
}
