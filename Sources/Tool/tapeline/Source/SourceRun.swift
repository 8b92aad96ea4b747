import DeploymentWatch
import MarketModel
import Membership
import MembershipTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport

/// Carries out `tapeline source`.
struct SourceRun {
    private static let work = Deployment.TapeWork(
        failure: "the sources cannot be looked at", right: "see or retire sources")

    let command: SourceCommand
    let terminal: Terminal

    func run(
        _ deployment: Deployment, shutdown: ShutdownSignal
    ) throws(ToolError) -> ExitCode {
        try deployment.onTape(Self.work) { client in
            switch command.verb {
            case .list: return try list(client, deployment)
            case .retire(let source):
                terminal.line(try retire(source, client, shutdown))
                return .success
            case .resume(let source): return try resume(source, client, shutdown)
            }
        }
    }

    /// Retires a source whose gateway has ended. Returns what came of it, in a sentence.
    func retire(
        _ source: SourceName, _ deployment: Deployment, shutdown: ShutdownSignal
    ) throws(ToolError) -> String {
        try deployment.onTape(Self.work) { client in try retire(source, client, shutdown) }
    }

    private func list(_ client: TapeClient, _ deployment: Deployment) throws -> ExitCode {
        let directory = try GroupDirectory(client)
        let table = SourceListing(
            sources: try SourceSurvey(client, directory.members).sources,
            now: SystemClock().now(), simulated: try simulated(deployment))
        terminal.show(table.lines, json: table.json(), rows: table.rows.fields, command.asJSON)
        for line in directory.refused { terminal.problem(line) }
        return .success
    }

    /// Returns the sources of a local stack whose venue it simulates.
    private func simulated(_ deployment: Deployment) throws(ToolError) -> Set<String> {
        guard let home = deployment.home else { return [] }
        let sources = try StackSources.read(home).of(namespace: deployment.names.namespace)
        return Set(sources.filter(\.isSimulated).map(\.name))
    }

    // MARK: retirement

    /// What is known of a source before it is retired or resumed.
    private struct Look {
        let source: SourceName
        let standing: SourceStanding
        /// Its gateways that were heard.
        let gateways: [String]
        /// The highest epoch that the group of the source has recorded; 0 for none.
        let ownedEpoch: UInt64
    }

    private func look(at source: SourceName, _ client: TapeClient) throws -> Look {
        let standing = try SourceStanding(client, of: source)
        guard standing.isKnown else {
            throw ToolError.refused(
                "source \(source) has put nothing on this tape; 'tapeline source list' shows "
                    + "those that have")
        }
        let directory = try GroupDirectory(client)
        let group = source.gatewayGroup
        return Look(
            source: source, standing: standing,
            gateways: directory.members.filter { $0.group == group }
                .map(\.heartbeat.member.text),
            ownedEpoch: directory.owners.filter { $0.group == group }
                .compactMap { $0.record?.epoch }.max() ?? 0)
    }

    private func retire(
        _ source: SourceName, _ client: TapeClient, _ shutdown: ShutdownSignal
    ) throws -> String {
        let look = try look(at: source, client)
        // A living gateway would be fenced, and then open the source again.
        guard look.gateways.isEmpty else {
            throw ToolError.refused(
                "source \(source) has a gateway that is alive "
                    + "(\(look.gateways.joined(separator: ", "))): stop it first; nothing was "
                    + "changed")
        }
        guard !look.standing.isRetired else {
            return "source \(source) is retired already; nothing was changed"
        }
        // A retirement that stands in some streams is completed in the others.
        let retired = Set(look.standing.retiredStreams)
        let streams = look.standing.lasts.indices.filter { !retired.contains($0) }
        try mark(look, streams, .retirement, client, shutdown)
        return "source \(source) is retired: nothing waits for it, and no alert reports it; what "
            + "it has on the tape stays. Its next gateway takes that back, as does 'tapeline "
            + "source resume \(source)'"
    }

    private func resume(
        _ source: SourceName, _ client: TapeClient, _ shutdown: ShutdownSignal
    ) throws -> ExitCode {
        let look = try look(at: source, client)
        guard !look.standing.retiredStreams.isEmpty else {
            terminal.line("source \(source) is not retired; nothing was changed")
            return .success
        }
        try mark(look, look.standing.retiredStreams, [], client, shutdown)
        terminal.line(
            "source \(source) is no longer retired: what is derived from several sources waits "
                + "for it until it is silent")
        return .success
    }

    /// Opens an epoch in these streams, above every epoch that the source ever had.
    private func mark(
        _ look: Look, _ streams: [Int], _ flags: PacketFlags, _ client: TapeClient,
        _ shutdown: ShutdownSignal
    ) throws {
        let publisher = try MarkerPublisher(client, shutdown)
        for stream in streams {
            publisher.add(
                look.source, stream: stream, flags: flags,
                behind: look.standing.lasts[stream]?.packet,
                aboveEpoch: max(look.standing.epoch, look.ownedEpoch))
        }
        try publisher.publish()
    }
}
