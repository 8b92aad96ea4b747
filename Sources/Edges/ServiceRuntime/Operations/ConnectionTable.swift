import Primitives

/// The open connections of the operations port and their deadlines. It decides which connection to
/// cut; its owner cuts it.
struct ConnectionTable {
    private struct Entry {
        let peer: PeerAddress
        var deadline: MonotonicTime
        var answerBytes = 0
        /// Cut, but not yet reported as closed. It no longer counts for any limit, and is cut only
        /// once.
        var isCut = false
    }

    private let limits: OperationsLimits
    private var entries: [Int32: Entry] = [:]
    private(set) var pendingAnswerBytes = 0

    init(limits: OperationsLimits) { self.limits = limits }

    var count: Int { entries.count }

    /// Adds a connection. Returns the connection that has to be cut to make room, if any.
    mutating func opened(_ descriptor: Int32, by peer: PeerAddress, at now: MonotonicTime) -> Int32?
    {
        let victim = victimOfLimits(for: peer)
        entries[descriptor] = Entry(peer: peer, deadline: deadline(limits.requestDeadline, at: now))
        if let victim { cut(victim) }
        return victim
    }

    /// Notes that the header of a request is complete: the answer has to be sent within the
    /// deadline.
    mutating func requestArrived(_ descriptor: Int32, at now: MonotonicTime) {
        guard let entry = entries[descriptor], !entry.isCut else { return }
        let limit = deadline(limits.requestDeadline, at: now)
        entries[descriptor]?.deadline = min(entry.deadline, limit)
    }

    /// Returns true when there is room for an answer of this size, which is then counted until
    /// `answered`.
    mutating func reserve(_ bytes: Int, for descriptor: Int32) -> Bool {
        let isFree = pendingAnswerBytes == 0
        guard isFree || pendingAnswerBytes + bytes <= limits.pendingAnswerBytesMax else {
            return false
        }
        guard entries[descriptor] != nil else { return true }
        entries[descriptor]?.answerBytes += bytes
        pendingAnswerBytes += bytes
        return true
    }

    /// Notes that the answer was sent, or given up.
    mutating func answered(_ descriptor: Int32, at now: MonotonicTime) {
        guard var entry = entries[descriptor] else { return }
        release(entry)
        entry.answerBytes = 0
        if !entry.isCut { entry.deadline = deadline(limits.keptConnectionDeadline, at: now) }
        entries[descriptor] = entry
    }

    /// Notes that a stream has bytes for its reader, who has to take them within the deadline, or
    /// that it waits for news, which has none.
    mutating func streams(_ descriptor: Int32, isSending: Bool, at now: MonotonicTime) {
        guard let entry = entries[descriptor], !entry.isCut else { return }
        let limit = isSending ? deadline(limits.requestDeadline, at: now) : .never
        entries[descriptor]?.deadline = limit
    }

    mutating func closed(_ descriptor: Int32) {
        guard let entry = entries.removeValue(forKey: descriptor) else { return }
        release(entry)
    }

    /// Returns the connections whose deadline has passed, each once.
    mutating func expired(at now: MonotonicTime) -> [Int32] {
        let expired = entries.filter { !$0.value.isCut && $0.value.deadline <= now }.map(\.key)
        for descriptor in expired { cut(descriptor) }
        return expired
    }

    /// Returns the connection to cut first when the process has no descriptors left.
    mutating func victimOfShortage() -> Int32? {
        guard let victim = nearestDeadline(where: { _ in true }) else { return nil }
        cut(victim)
        return victim
    }

    /// When the next connection is cut.
    var nextDeadline: MonotonicTime {
        entries.values.lazy.filter { !$0.isCut }.map(\.deadline).min() ?? .never
    }

    private func victimOfLimits(for peer: PeerAddress) -> Int32? {
        var perPeer: [PeerAddress: Int] = [:]
        var open = 0
        for entry in entries.values where !entry.isCut {
            perPeer[entry.peer, default: 0] += 1
            open += 1
        }
        if perPeer[peer, default: 0] >= limits.connectionsPerAddressMax {
            return nearestDeadline { $0 == peer }
        }
        guard open >= limits.connectionsMax else { return nil }
        let most = perPeer.values.max() ?? 0
        return nearestDeadline { perPeer[$0] == most }
    }

    /// Returns the connection with the nearest deadline. It has been in the middle of a request for
    /// longest: a kept connection of a scraper has a later deadline.
    private func nearestDeadline(where isEligible: (PeerAddress) -> Bool) -> Int32? {
        entries.filter { !$0.value.isCut && isEligible($0.value.peer) }
            .min { ($0.value.deadline, $0.key) < ($1.value.deadline, $1.key) }?.key
    }

    private mutating func cut(_ descriptor: Int32) { entries[descriptor]?.isCut = true }

    private mutating func release(_ entry: Entry) { pendingAnswerBytes -= entry.answerBytes }

    private func deadline(_ limit: Duration, at now: MonotonicTime) -> MonotonicTime {
        now.advanced(by: limit)
    }
}
