internal import MarketModel
internal import Primitives

/// Which partition belongs to which member. In a large group that takes long to compute, and many
/// members come or go together. So the first change has an effect immediately, and those that
/// follow closely have one together.
struct Sharing: Sendable {
    /// A member that may get partitions.
    struct Candidate: Sendable {
        /// `nil` for an owner that is known only from a record.
        var precedence: MemberPrecedence?
        /// Whether it accepts a partition now. Until then its partitions stay where they are.
        var isReady: Bool
    }

    private let member: MemberName
    private let partitions: Int
    /// Which partition belongs to which member, as far as this process knows the members.
    private(set) var assignment: Assignment
    /// The partitions that the assignment gives to this process.
    private(set) var wanted: Set<Int> = []
    /// The earliest time of the next assignment, and whether one waits for it.
    private(set) var notBefore = MonotonicTime.distantPast
    private(set) var waits = false
    /// Who may get partitions; `nil` after something that may have changed it.
    private(set) var candidates: [MemberName: Candidate]?

    /// The shortest time between two assignments, for each pair of a partition and a member.
    private static let nanosecondsPerPair: Int64 = 1_000

    init(_ settings: MembershipMachine.Settings) {
        member = settings.member
        partitions = settings.partitions
        assignment = Assignment(partitions: settings.partitions, members: [])
    }

    /// Something may have changed who may get partitions.
    mutating func findAgain() { candidates = nil }
    mutating func found(_ candidates: [MemberName: Candidate]) { self.candidates = candidates }

    /// Whether an assignment has waited for long enough.
    func isDue(at now: MonotonicTime) -> Bool { waits && now >= notBefore }

    /// Shares partitions out among these members.
    mutating func assign(_ candidates: [MemberName: Candidate], at now: MonotonicTime) {
        let isSame =
            candidates.count == assignment.members.count
            && assignment.members.allSatisfy { candidates[$0] != nil }
        waits = !isSame && now < notBefore
        guard !isSame, !waits else { return }
        let names = candidates.keys.sorted()
        assignment = Assignment(partitions: partitions, members: names)
        wanted = assignment.partitions(of: member)
        notBefore = now + Int64(partitions) * Int64(names.count) * Self.nanosecondsPerPair
    }
}
