import StoreSinks
import TapeCodec

/// Which groups of tables one try to write leaves where they are, and which it takes back. It is
/// decided once per try: what the groups' writers say meanwhile counts for the next one. Otherwise
/// the rows of a batch and the positions after it could differ in what they say of a group.
struct GroupMoves: Sendable {
    var leaving: [TableGroup: ApartGroup.Reason] = [:]
    /// By input, the groups that are taken back.
    var joining: [Int: Set<TableGroup>] = [:]

    var isEmpty: Bool { leaving.isEmpty && joining.isEmpty }

    /// Returns the groups that get nothing of the batch at an input.
    func apart(_ input: Int, _ position: SinkPosition) -> Set<TableGroup> {
        Set(position.apart.groups).union(leaving.keys).subtracting(joining[input] ?? [])
    }

    /// Returns a position as it is before the batch: with the groups that are left there, and
    /// without those that are taken back. `isWhole` says whether all tables are switched on.
    func moved(_ input: Int, _ position: SinkPosition, isWhole: Bool) -> SinkPosition {
        var position = position
        for group in joining[input] ?? [] { position.join(group, isWhole: isWhole) }
        for (group, reason) in leaving { position.leave(group, reason) }
        return position
    }
}

extension SinkPosition {
    /// Returns by how many records at most a group is behind that waits apart; `nil` when that is
    /// not known.
    func records(ahead group: TableGroup) -> UInt64? {
        guard let own = apart[group]?.position, let place = own.position, let position,
            place.streamCreated == position.streamCreated, place.sequence <= position.sequence
        else { return nil }
        return sources.reduce(0) { sum, account in
            let known = own.account(account.source)?.lastOrdinal ?? account.firstOrdinal &- 1
            return account.lastOrdinal > known ? sum &+ (account.lastOrdinal - known) : sum
        }
    }
}
