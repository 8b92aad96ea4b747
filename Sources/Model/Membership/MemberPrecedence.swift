/// By what members are compared when partitions are shared out. Only those that compare highest get
/// partitions.
struct MemberPrecedence: Hashable, Comparable, Sendable {
    let rank: UInt64
    /// Compared among members of the same rank. So an owner never hands a partition to a release
    /// that cannot continue its output. 0 in groups whose members report none.
    let semantics: UInt64

    init(rank: UInt64, semantics: UInt64?) {
        self.rank = rank
        self.semantics = semantics ?? 0
    }

    static func < (one: MemberPrecedence, other: MemberPrecedence) -> Bool {
        (one.rank, one.semantics) < (other.rank, other.semantics)
    }
}
