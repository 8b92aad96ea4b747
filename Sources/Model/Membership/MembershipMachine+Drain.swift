// A person may ask that this process hands over what it owns, stays alive, and takes nothing until
// it is released. It then is no candidate for partitions, so they belong to others, and it hands
// each one over when its new owner is ready. Where no other member may take a partition, it stays:
// no request leaves one without an owner, unless the request says so.
extension MembershipMachine {
    /// Takes what the bucket says about this process's request.
    mutating func note(_ news: DrainNews, _ effects: inout [Effect]) {
        switch news {
        case .unchanged: break
        case .absent: change(to: nil, &effects)
        case .asked(let cause): change(to: cause, &effects)
        case .refused(let refusal):
            effects.append(.note(.refusedDrain(refusal)))
            change(to: nil, &effects)
        }
    }

    private mutating func change(to cause: DrainCause?, _ effects: inout [Effect]) {
        guard cause != drain else { return }
        standing.drain = cause
        sharing.findAgain()
        effects.append(.note(cause.map { .drainAsked($0) } ?? .drainEnded))
    }
}
