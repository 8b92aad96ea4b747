internal import Membership
internal import Primitives
internal import ServiceRuntime
internal import TapeProtocol
internal import TapeTransport

/// Stores the reported positions of registered groups in their bucket. A position that is not
/// stored has no effect on purges.
struct GroupRecorder {
    /// The time between two writes of positions that moved. They are also written before each
    /// purge.
    private static let recordNanoseconds: Int64 = 10_000_000_000

    private let client: TapeClient
    private let positions: GroupPositionListener
    private let clock = SystemClock()
    /// The bucket of groups; `nil` until this keeper has opened it.
    private(set) var registry: GroupRegistry?
    /// The registered groups with their stored positions, as last read.
    private(set) var groups: [RegisteredGroup] = []
    /// The number of changes of each group's positions that are stored
    /// (`PositionStore.Reports.changes`).
    private var recorded: [GroupName: UInt64] = [:]
    /// The monotonic time of the last write of positions; `Int64.min` before the first.
    private var recordedAt = MonotonicTime.distantPast

    init(_ client: TapeClient, _ positions: GroupPositionListener) {
        self.client = client
        self.positions = positions
    }

    /// Another keeper may have written since.
    mutating func forget() { self = GroupRecorder(client, positions) }

    /// Stores what has moved, if that is due or `isUrgent`.
    mutating func record(isUrgent: Bool) throws {
        let now = clock.monotonic()
        guard isUrgent || now >= recordedAt + Self.recordNanoseconds
        else { return }
        let registry = try self.registry ?? GroupRegistry.make(client)
        self.registry = registry
        groups = try registry.groups()
        let store = positions.store
        for index in groups.indices {
            let group = groups[index].group
            guard let reported = store.groups[group.text], recorded[group] != reported.changes
            else {
                continue
            }
            var stored = [PositionStore.Place: ReaderPosition](
                groups[index].positions.map { (PositionStore.Place($0), $0) }
            ) { $1 }
            stored.merge(reported.positions) { $1 }
            try registry.record(Array(stored.values), of: group, told: clock.now())
            groups[index].positions = Array(stored.values)
            recorded[group] = reported.changes
        }
        recordedAt = now
    }
}
