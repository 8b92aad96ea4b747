/// Tickets of requests that wait, first in, first out.
struct TicketQueue: Sendable {
    private var tickets: [UInt64] = []
    /// The index of the first ticket. Those before it are removed in one batch.
    private var head = 0

    var first: UInt64? { head < tickets.count ? tickets[head] : nil }
    var all: ArraySlice<UInt64> { tickets[head...] }

    mutating func append(_ ticket: UInt64) { tickets.append(ticket) }

    mutating func removeFirst() {
        guard head < tickets.count else { return }
        head += 1
        guard head > 64, head * 2 > tickets.count else { return }
        tickets.removeFirst(head)
        head = 0
    }

    mutating func keep(_ isWanted: (UInt64) -> Bool) {
        tickets = all.filter(isWanted)
        head = 0
    }

    /// Removes unwanted tickets from the head, and returns how many there were.
    mutating func dropWithdrawn(_ isWanted: (UInt64) -> Bool) -> Int {
        var count = 0
        while let first, !isWanted(first) {
            removeFirst()
            count += 1
        }
        return count
    }
}

/// Queues that take turns, one per contract: no contract waits for all the requests of another.
struct FairQueue<Key: Hashable & Sendable>: Sendable {
    /// The keys in the order of their turns. Each has at least one ticket.
    private(set) var turns: [Key] = []
    private var queues: [Key: TicketQueue] = [:]

    func first(of key: Key) -> UInt64? { queues[key]?.first }
    func all(of key: Key) -> ArraySlice<UInt64> { queues[key]?.all ?? [] }

    mutating func append(_ ticket: UInt64, of key: Key) {
        if queues[key] == nil { turns.append(key) }
        queues[key, default: TicketQueue()].append(ticket)
    }

    /// Removes the key's first ticket. The key's next turn comes after those of all others.
    mutating func removeFirst(of key: Key) {
        queues[key]?.removeFirst()
        turns.removeAll { $0 == key }
        if queues[key]?.first != nil { turns.append(key) } else { queues[key] = nil }
    }

    /// Removes unwanted tickets. The key keeps its turn if it has others.
    mutating func dropWithdrawn(of key: Key, _ isWanted: (UInt64) -> Bool) -> Int {
        let count = queues[key]?.dropWithdrawn(isWanted) ?? 0
        if count > 0, queues[key]?.first == nil {
            queues[key] = nil
            turns.removeAll { $0 == key }
        }
        return count
    }

    mutating func keep(_ isWanted: (UInt64) -> Bool) {
        for key in turns { queues[key]?.keep(isWanted) }
        turns.removeAll { queues[$0]?.first == nil }
        queues = queues.filter { $0.value.first != nil }
    }
}
