internal import NatsTransport
internal import Primitives
internal import ServiceRuntime
internal import TapeTransport

/// Carries out `LeaderPlan` on the keeper's thread.
struct LeaderKeeper {
    /// The time between two looks.
    private static let lookNanoseconds: Int64 = 10_000_000_000
    /// The most writes that a copy may lack to count as whole. A busy stream always has some on
    /// their way.
    private static let lagMax: UInt64 = 1_000

    private let client: TapeClient
    private let jetStream: JetStream
    private let streams: [String]
    private var plan = LeaderPlan()
    private var lookAt = MonotonicTime.distantPast

    init(_ client: TapeClient, _ jetStream: JetStream, _ streams: [String]) {
        self.client = client
        self.jetStream = jetStream
        self.streams = streams
    }

    /// Looks when it is due, and moves at most one leader. Blocks for some requests.
    mutating func turn(now: MonotonicTime) {
        guard now >= lookAt else { return }
        lookAt = now + Self.lookNanoseconds
        var found: [LeaderPlan.Stream] = []
        do throws(JetStreamError) {
            for name in streams {
                guard let copies = try jetStream.streamInfo(name)?.copies,
                    let leader = copies.leader, !copies.followers.isEmpty
                else { return }
                found.append(
                    LeaderPlan.Stream(
                        name: name, leader: leader, servers: copies.servers,
                        isWhole: copies.followers.allSatisfy {
                            $0.isCurrent && !$0.isOffline && $0.lag <= Self.lagMax
                        }))
            }
        } catch {
            // A stream that cannot be read now is not whole.
            _ = plan.look([], now: now)
            return
        }
        guard let move = plan.look(found, now: now) else { return }
        lookAt = now + min(Self.lookNanoseconds, LeaderPlan.pauseNanoseconds)
        do throws(JetStreamError) {
            try jetStream.moveLeader(ofStream: move.stream, to: move.server)
            client.telemetry.emit(.leaderMoved(move: move, refusal: nil))
        } catch {
            plan.refused(now: now)
            client.telemetry.emit(.leaderMoved(move: move, refusal: "\(error)"))
        }
    }
}

extension ServiceEvent {
    /// A stream's leader was asked to hand over to another server.
    static func leaderMoved(move: LeaderPlan.Move, refusal: String?) -> Self {
        Self(
            refusal == nil ? .info : .warning, "keeper.leader.moved",
            refusal.map { "a stream's leader stays where it is: \($0)" }
                ?? "a stream has another leader, so that the servers share the work",
            ("stream", .text(move.stream)), ("server", .text(move.server))
        ).counting(
            "mds_keeper_leader_moves_total",
            "a leader of a stream that was asked to hand over, so that the servers of a cluster "
                + "share the work",
            "\"refused\": the log says why; give the user `gateway` the rights of "
                + "`deploy/nats/server.conf`", by: "result: moved, refused",
            labels: [("result", refusal == nil ? "moved" : "refused")])
    }
}
