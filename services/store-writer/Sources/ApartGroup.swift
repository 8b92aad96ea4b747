import MarketModel
import Primitives
import StoreSinks
import TapeCodec

/// A group of tables that waits apart at one input of a partition, because one of its tables was
/// blocked. It is a row of `apart_groups`.
///
/// The common position advances without the group: its counts name the records that are left to
/// groups (`SinkPosition.SourceAccount.apart`). The group's own position counts what became of
/// these. Where the two positions meet, the counts are added up, and the row goes.
struct ApartGroup: Sendable {
    /// How far the group is. Its counts begin with 0 where it went apart.
    var position: SinkPosition
    let reason: Reason

    /// Why a group waits apart.
    struct Reason: Hashable, Sendable {
        let table: SinkName
        /// What the store said, in one line.
        let text: String
        let since: Timestamp
    }
}

/// The groups of tables that wait apart at a position.
struct ApartGroups: Sendable {
    var waiting: [TableGroup: ApartGroup] = [:]
    /// Which of them have gone apart since the position was last stored.
    var left: Set<TableGroup> = []
    /// The groups that came back since then, with the sequence at which they did.
    var joined: [TableGroup: UInt64] = [:]
    /// Whether a group came back since then of whose tables not all are switched on.
    var isJoinedPartly = false
    /// For the position of a group: the sequence at which it was before the batch.
    var cameFrom: UInt64 = 0

    var isEmpty: Bool { waiting.isEmpty }
    var groups: [TableGroup] { Array(waiting.keys) }
    /// Whether groups have gone or came back since the position was last stored.
    var hasMoved: Bool { !left.isEmpty || !joined.isEmpty }

    subscript(_ group: TableGroup) -> ApartGroup? {
        get { waiting[group] }
        set { waiting[group] = newValue }
    }

    mutating func forgetBatch() {
        left = []
        joined = [:]
        isJoinedPartly = false
    }
}

extension SinkPosition {
    /// Leaves a group of tables at this position. Later batches are written without it.
    mutating func leave(_ group: TableGroup, _ reason: ApartGroup.Reason) {
        guard apart[group] == nil else { return }
        var own = SinkPosition(input: input, partition: partition, ownerEpoch: ownerEpoch)
        own.position = position
        own.tapeTime = tapeTime
        own.sentTime = sentTime
        own.sources = sources.map { account in
            var account = account
            account.firstOrdinal = account.lastOrdinal &+ 1
            account.written = 0
            account.skipped = 0
            account.deadLettered = 0
            account.givenTwice = 0
            account.apart = 0
            account.stretch = nil
            return account
        }
        apart[group] = ApartGroup(position: own, reason: reason)
        apart.left.insert(group)
    }

    /// Whether a group that waits apart is where this position is.
    func isMet(by group: TableGroup) -> Bool {
        guard let own = apart[group]?.position.position, let position else { return false }
        return own.streamCreated == position.streamCreated && own.sequence == position.sequence
    }

    /// Takes a group back that is where this position is, with its counts. With the last one, the
    /// rest of what was left to groups is skipped: they have lost it with a name, which the store
    /// checks, or not all of their tables are switched on (any more): `isWhole` is false.
    mutating func join(_ group: TableGroup, isWhole: Bool = true) {
        guard isMet(by: group), let own = apart.waiting.removeValue(forKey: group)?.position
        else { return }
        for account in own.sources {
            guard let index = sources.firstIndex(where: { $0.source == account.source }) else {
                continue
            }
            sources[index].written += account.written
            sources[index].deadLettered += account.deadLettered
            sources[index].apart -= min(
                sources[index].apart, account.written + account.deadLettered)
        }
        if !isWhole { apart.isJoinedPartly = true }
        if apart.isEmpty {
            for index in sources.indices {
                sources[index].skipped += sources[index].apart
                sources[index].apart = 0
            }
        }
        apart.joined[group] = own.position?.sequence
    }

    /// Whether the COMMIT of the floor waited for a synchronous standby.
    var isFloorOnStandby: Bool {
        isOnStandby && apart.waiting.values.allSatisfy(\.position.isOnStandby)
    }

    /// The lowest position of all groups: the tape is needed from there on.
    var floor: TapePosition? {
        var lowest = position
        for group in apart.waiting.values {
            guard let own = group.position.position else { return nil }
            guard let present = lowest, own.streamCreated == present.streamCreated else {
                return own
            }
            if own.sequence < present.sequence { lowest = own }
        }
        return lowest
    }
}
