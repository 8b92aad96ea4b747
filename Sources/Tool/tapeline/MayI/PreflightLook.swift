import Membership
import MembershipTransport
import NatsTransport
import PostgresClient
import Primitives
import TapeProtocol
import TapeTransport

/// Gathers the facts from NATS and the database.
struct PreflightLook {
    private static let databaseTimeout: Duration = .seconds(5)

    let deployment: Deployment

    func answer(
        about subject: String, upgradeTo release: Preflight.Release?
    ) throws(ToolError) -> MayIAnswer {
        do throws(ToolError) {
            return MayIAnswer(try facts(Preflight(subject: subject, upgradeTo: release)))
        } catch .unreachable(let problem) {
            return MayIAnswer(subject: subject, upgradeTo: release, problem: problem)
        }
    }

    private func facts(_ asked: Preflight) throws(ToolError) -> Preflight {
        var facts = asked
        let feed = try WatchFeed(deployment)
        defer { feed.close() }
        // While the first sample is taken, the readers answer how far they are.
        _ = try feed.sample()
        add(try feed.sample(), to: &facts)
        try addCopies(to: &facts)
        facts.database = database()
        return facts
    }

    private func add(_ sample: WatchSample, to facts: inout Preflight) {
        facts.members = sample.members
        let table = MembersTable(members: sample.members, owners: sample.owners)
        for group in table.groups {
            facts.silent[group.text] = table.withoutOwner(group, of: sample.partitions)
            let lags = [
                sample.positions.lag(group.text, "ticks", behind: sample.ticks),
                sample.positions.lag(group.text, "bars", behind: sample.bars),
            ].compactMap { $0 }
            guard !lags.isEmpty else { continue }
            facts.lags[group.text] = lags.reduce(into: Preflight.Lag()) { sum, lag in
                sum.records &+= lag.ordinals
                sum.unheard += lag.unheard
            }
        }
    }

    private func addCopies(to facts: inout Preflight) throws(ToolError) {
        let client = try deployment.openTape()
        defer { client.close() }
        facts.nats = client.connection.peer
        // A member that was asked a moment ago still says that it is ready.
        do throws(TapeError) {
            for drain in try GroupDirectory(client, listeningFor: .milliseconds(1)).drains {
                guard case .asked(let request) = drain.content else { continue }
                facts.drains[drain.member] = request.groups
            }
        } catch {
            throw .unreachable("the members cannot be looked at: \(error)")
        }
        do {
            for name in deployment.allStreams + ["KV_\(client.names.ownersBucket)"] {
                guard let info = try client.jetStream.streamInfo(name) else { continue }
                facts.streams += 1
                guard let copies = info.copies else { continue }
                facts.replicated += copies.servers.count > 1 ? 1 : 0
                facts.behind += Self.behind(name, copies)
            }
        } catch {
            throw .unreachable("the streams cannot be looked at: \(error)")
        }
    }

    static func behind(_ stream: String, _ copies: StreamCopies) -> [Preflight.Behind] {
        guard copies.leader != nil else {
            return [Preflight.Behind(stream: stream, problem: "no server leads it")]
        }
        return copies.followers.filter { $0.isOffline || !$0.isCurrent }.map { follower in
            Preflight.Behind(
                stream: stream,
                problem: follower.isOffline
                    ? "its copy on \(follower.server) is away"
                    : "its copy on \(follower.server) is \(follower.lag) writes behind")
        }
    }

    private func database() -> Preflight.Database {
        guard deployment.postgres != nil else { return .unnamed }
        do {
            let session = try deployment.openDatabase()
            defer { session.close() }
            _ = try session.execute("SELECT 1", [], timeout: Self.databaseTimeout)
            return .answers(session.peer)
        } catch {
            return .away("\(error)")
        }
    }
}
