import Primitives
import ServiceRuntime
import StoreSinks
import Synchronization
import TapeCodec

/// What the workers and the writers of groups of tables that wait apart (`ApartWriter`) tell each
/// other. It is bounded by the number of inputs and groups. Any thread may call it, and only `wait`
/// blocks.
final class ApartBoard: Sendable {
    /// What a group's writer has to write at one input.
    struct Task: Sendable, Equatable {
        /// The owner's epoch: of another one, positions are read from the store again.
        let epoch: Int64
        /// The common position: the group does not pass it.
        var limit: TapePosition
        /// When the tape took the packet of that position.
        var limitTime: Timestamp
        /// When the tape took the packet at which the group was when it was posted.
        var ownTime: Timestamp
        let reason: ApartGroup.Reason
    }

    /// The state of a group, for the status page.
    struct Line: Sendable {
        let group: TableGroup
        /// Why it went apart where it did first, or why its table was last refused.
        let reason: ApartGroup.Reason
        let inputs: [Int]
        /// How far it is behind at most, by the times of the tape; undefined times count as 0.
        let behindNanoseconds: Int64
        /// Why the tape cannot be read at one of the inputs; `nil` when it can.
        let problem: String?
    }

    private struct State {
        /// By group and input.
        var tasks: [TableGroup: [Int: Task]] = [:]
        /// How far the groups' writers have come, as committed.
        var reached: [TableGroup: [Int: SinkPosition]] = [:]
        /// Groups whose last try was refused, or that were not tried since they went apart.
        var blocked: [TableGroup: ApartGroup.Reason] = [:]
        /// When the groups could not be taken back, the last time.
        var rejected: [TableGroup: Timestamp] = [:]
        /// Why the groups' readers have stopped.
        var problems: [TableGroup: [Int: String]] = [:]
    }

    private let state = Mutex(State())
    /// Each holds one element when the group's writer has to wake up.
    private let wakes = TableGroup.allCases.map { _ in Mailbox<Void>(capacity: 1) }

    // MARK: the workers

    /// Notes the committed position of an input; `nil` when the worker does not hold it.
    func post(_ input: Int, _ position: SinkPosition?) {
        let woken = state.withLock { state in
            var woken: [TableGroup] = []
            for group in TableGroup.allCases {
                guard let limit = position?.position, let own = position?.apart[group] else {
                    state.reached[group]?[input] = nil
                    state.problems[group]?[input] = nil
                    if state.tasks[group]?.removeValue(forKey: input) != nil { woken.append(group) }
                    continue
                }
                if state.tasks[group]?[input] == nil { state.blocked[group] = own.reason }
                let task = Task(
                    epoch: own.position.ownerEpoch, limit: limit,
                    limitTime: position?.tapeTime ?? .undefined, ownTime: own.position.tapeTime,
                    reason: own.reason)
                if state.tasks[group]?[input]?.epoch != task.epoch {
                    state.reached[group]?[input] = nil
                }
                if state.tasks[group]?[input] != task { woken.append(group) }
                state.tasks[group, default: [:]][input] = task
            }
            return woken
        }
        for group in woken { wake(group) }
    }

    /// Returns how far a group has come at an input since its position was read from the store;
    /// `nil` when that is not known.
    func reached(_ group: TableGroup, _ input: Int) -> SinkPosition? {
        state.withLock { $0.reached[group]?[input] }
    }

    /// Whether the group's tables are not known to take rows.
    func isBlocked(_ group: TableGroup) -> Bool { state.withLock { $0.blocked[group] != nil } }

    /// Whether the group's tables are known to take rows, and its reader of an input reads.
    func isReading(_ group: TableGroup, _ input: Int) -> Bool {
        state.withLock { $0.blocked[group] == nil && $0.problems[group]?[input] == nil }
    }

    /// Notes that a group could not be taken back: its tables are blocked once more.
    func rejected(_ group: TableGroup, _ reason: ApartGroup.Reason) {
        state.withLock { state in
            guard state.tasks[group]?.isEmpty == false else { return }
            state.blocked[group] = reason
            state.rejected[group] = reason.since
        }
    }

    /// Notes that a group could not be taken back, though not for one of its tables.
    func rejected(_ group: TableGroup, _ text: String, at time: Timestamp) {
        guard let known = tasks(group).values.map(\.reason).max(by: { $0.since < $1.since })
        else { return }
        rejected(group, ApartGroup.Reason(table: known.table, text: text, since: time))
    }

    // MARK: the group's writer

    /// When the group went apart somewhere or could not be taken back, the last time; `nil` when
    /// it has no task.
    func lastLeft(_ group: TableGroup) -> Timestamp? {
        state.withLock { state in
            state.tasks[group]?.values.map(\.reason.since).max().map {
                max($0, state.rejected[group] ?? $0)
            }
        }
    }

    func tasks(_ group: TableGroup) -> [Int: Task] { state.withLock { $0.tasks[group] ?? [:] } }

    /// Notes committed positions of a group, by input.
    func advanced(_ group: TableGroup, _ positions: [Int: SinkPosition]) {
        state.withLock { state in
            for (input, position) in positions
            where state.tasks[group]?[input]?.epoch == position.ownerEpoch {
                state.reached[group, default: [:]][input] = position
            }
        }
    }

    /// Returns the table that was refused last; `nil` when the group takes rows.
    func blockedTable(_ group: TableGroup) -> SinkName? {
        state.withLock { $0.blocked[group]?.table }
    }

    /// Notes that the group's tables take rows, unless it went apart somewhere after `seen`: then
    /// that is not known. Returns whether it was noted.
    @discardableResult
    func unblocked(_ group: TableGroup, seen: Timestamp) -> Bool {
        state.withLock { state in
            let isNew =
                state.tasks[group]?.values.contains { $0.reason.since > seen } ?? false
                || state.rejected[group].map { $0 > seen } ?? false
            if !isNew { state.blocked[group] = nil }
            return !isNew
        }
    }

    /// Notes why the group's reader of an input has stopped; `nil` when it reads.
    func problem(_ group: TableGroup, _ input: Int, _ text: String?) {
        state.withLock { $0.problems[group, default: [:]][input] = text }
    }

    /// Notes why a try of the group failed, and at which table, if that is known.
    func refused(_ group: TableGroup, _ text: String, by table: SinkName?) {
        state.withLock { state in
            guard let known = state.blocked[group] ?? state.tasks[group]?.values.first?.reason
            else { return }
            state.blocked[group] = ApartGroup.Reason(
                table: table ?? known.table, text: text, since: known.since)
        }
    }

    /// Waits for a wake of the group's writer, at most for `time`.
    func wait(_ group: TableGroup, _ time: Duration) {
        var received: [Void] = []
        _ = wakes[Self.number(group)].receive(into: &received, max: 1, timeout: time)
    }

    func wake(_ group: TableGroup) {
        // If the mailbox is full, it wakes up anyway.
        _ = wakes[Self.number(group)].send(())
    }

    private static func number(_ group: TableGroup) -> Int {
        TableGroup.allCases.firstIndex(of: group) ?? 0
    }

    // MARK: reports

    /// The groups that wait apart.
    var lines: [Line] {
        state.withLock { state in
            TableGroup.allCases.compactMap { group -> Line? in
                guard let tasks = state.tasks[group], !tasks.isEmpty,
                    let first = tasks.values.min(by: { $0.reason.since < $1.reason.since })
                else { return nil }
                let behind = tasks.map { input, task -> Int64 in
                    let own = state.reached[group]?[input]?.tapeTime ?? task.ownTime
                    guard own.isDefined, task.limitTime.isDefined else { return 0 }
                    return max(0, task.limitTime.nanoseconds(since: own))
                }
                return Line(
                    group: group,
                    reason: state.blocked[group].map {
                        ApartGroup.Reason(
                            table: $0.table, text: $0.text, since: first.reason.since)
                    } ?? first.reason,
                    inputs: tasks.keys.sorted(), behindNanoseconds: behind.max() ?? 0,
                    problem: state.problems[group]?.min { $0.key < $1.key }.map {
                        "\(InputNumber.name($0.key)): \($0.value)"
                    })
            }
        }
    }
}
