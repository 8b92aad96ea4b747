internal import Primitives

/// Decides which stream's leader moves to which server, so that the leaders of the tape's streams
/// are spread over the servers that hold copies.
///
/// A cluster does not spread them, and a server that was restarted leads nothing: the others then
/// do the work of all. A leader moves only when the cluster has been whole for a while, one at a
/// time.
///
/// Pure.
struct LeaderPlan {
    /// A stream as its leader describes it.
    struct Stream: Equatable {
        let name: String
        let leader: String
        /// The servers with a copy, in the order of their names.
        let servers: [String]
        /// Every copy has what was acknowledged, or nearly so.
        let isWhole: Bool
    }

    struct Move: Equatable {
        let stream: String
        let server: String
    }

    /// The time for which all streams have to be whole before a leader moves. A server that has
    /// just come back still reads its store.
    static let steadyNanoseconds: Int64 = 60_000_000_000
    /// The time between two moves.
    static let pauseNanoseconds: Int64 = 5_000_000_000
    /// The time after which a move is tried again that was refused, or had no effect.
    static let refusedNanoseconds: Int64 = 600_000_000_000

    /// Since when all streams are whole; `nil` while they are not.
    private var wholeSince: MonotonicTime?
    private var notBefore = MonotonicTime.distantPast
    /// The newest move, until its effect is known.
    private var last: Move?
    /// When streams are tried again that did not move.
    private var waits: [String: MonotonicTime] = [:]

    /// Returns the next move. `streams` are all of them, in their order; each look calls this.
    mutating func look(_ streams: [Stream], now: MonotonicTime) -> Move? {
        guard !streams.isEmpty, streams.allSatisfy({ $0.isWhole && $0.servers.count > 1 }) else {
            wholeSince = nil
            return nil
        }
        let since = wholeSince ?? now
        wholeSince = since
        guard now - since >= Self.steadyNanoseconds, now >= notBefore else { return nil }
        for (index, stream) in streams.enumerated() {
            let move = Move(
                stream: stream.name, server: stream.servers[index % stream.servers.count])
            guard stream.leader != move.server else {
                if last == move { last = nil }
                continue
            }
            if last == move { refused(now: now) }
            guard now >= waits[stream.name] ?? .distantPast else { continue }
            notBefore = now + Self.pauseNanoseconds
            last = move
            return move
        }
        return nil
    }

    /// The last move was refused, not answered, or had no effect. Others are tried.
    mutating func refused(now: MonotonicTime) {
        guard let move = last else { return }
        waits[move.stream] = now + Self.refusedNanoseconds
        last = nil
    }
}
