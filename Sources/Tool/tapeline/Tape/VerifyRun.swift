import NatsTransport
import Primitives
import ServiceRuntime
import TapeKeeping
import TapeProtocol
import TapeTransport

/// Carries out `tapeline tape verify`: reads each server's own copy of each stream beside the
/// others, and notes how far it came.
struct VerifyRun {
    /// The most findings of a stream that are listed one by one.
    private static let listedMax = 10

    /// The verdict on one copy of one stream.
    struct Result {
        let stream: String
        let check: CopyCheck
        let others: [String]
    }

    let command: TapeCommand
    let verification: TapeCommand.Verification
    let terminal: Terminal

    func run(_ deployment: Deployment, shutdown: ShutdownSignal) throws(ToolError) -> ExitCode {
        let client = try deployment.openTape()
        defer { client.close() }
        var results: [Result] = []
        do throws(JetStreamError) {
            for stream in deployment.allStreams {
                guard let found = try client.jetStream.streamInfo(stream) else { continue }
                for server in try servers(found) {
                    let check = try check(found, server, client, shutdown)
                    guard let check else { throw .leaderless("verify") }
                    let others = (found.copies?.servers ?? []).filter { $0 != server }
                    results.append(Result(stream: stream, check: check, others: others))
                    if !command.asJSON { show(results[results.count - 1]) }
                    note(results[results.count - 1], client)
                }
            }
        } catch {
            guard !shutdown.isRequested else { throw .refused("ended before the end of the tape") }
            throw .unreachable("the copies cannot be read: \(error)")
        }
        guard !results.isEmpty else {
            throw .refused(
                "no stream of the tape has a copy on \(verification.server ?? "any server"): "
                    + "'tapeline tape' lists the servers")
        }
        if command.asJSON { terminal.line(Self.json(results)) }
        return results.allSatisfy(\.check.places.isEmpty) ? .success : .failure
    }

    /// Returns the servers whose copies are read; `nil` stands for a server without a cluster.
    private func servers(_ stream: StreamInfo) throws(JetStreamError) -> [String?] {
        let all: [String?] = stream.copies.map { $0.servers } ?? [nil]
        guard let wanted = verification.server else { return all }
        return all.filter { $0 == wanted }
    }

    private func check(
        _ stream: StreamInfo, _ server: String?, _ client: TapeClient, _ shutdown: ShutdownSignal
    ) throws(JetStreamError) -> CopyCheck? {
        var pace = CopyVerification.Pace(
            bytesPerSecond: UInt64(verification.mebibytes) << 20)
        if verification.onlyNew, let server, let bucket = try bucket(client) {
            let record = try CopyRecord.read(
                bucket, stream: stream.configuration.name, server: server)
            pace.from = (record?.sequence ?? 0) + 1
        }
        return try CopyVerification(client.jetStream, pace) { shutdown.wait(timeout: $0) }
            .check(stream, on: server)
    }

    private func bucket(_ client: TapeClient) throws(JetStreamError) -> KeyValueBucket? {
        try client.jetStream.bucketAsFound(
            GroupRegistry.configuration(client.names).bucket)
    }

    /// Notes up to where the copy is good. What cannot be noted only leaves the metric as it was.
    private func note(_ result: Result, _ client: TapeClient) {
        // Where nothing was new, nothing is to be noted.
        guard let server = result.check.server, result.check.last > 0 else { return }
        let firstBad = result.check.places.map(\.start).min()
        let record = CopyRecord(
            sequence: firstBad.map { $0 - 1 } ?? result.check.last,
            findings: result.check.places.count, ended: SystemClock().now())
        do throws(JetStreamError) {
            try bucket(client).map { bucket throws(JetStreamError) in
                try record.store(in: bucket, stream: result.stream, server: server)
            }
        } catch {
            terminal.problem("what was verified on \(server) is not noted: \(error)")
        }
    }

    // MARK: output

    private func show(_ result: Result) {
        let check = result.check
        let place = check.server ?? "the server"
        let amount = "\(check.messages) packets, \(TapeReport.bytes(check.bytes))"
        let head = "\(result.stream.padded(to: 12)) \(place.padded(to: 8)) \(amount)"
        guard !check.places.isEmpty else {
            let same =
                result.others.isEmpty
                ? "checksums and ordinals are right"
                : "as on \(result.others.joined(separator: " and "))"
            return terminal.line("\(head): \(same)")
        }
        let count = check.isFull ? "more than \(check.places.count)" : "\(check.places.count)"
        terminal.line("\(head): \(count) findings")
        for place in check.places.prefix(Self.listedMax) {
            terminal.line("    sequence \(place.sequence) \(place.finding.sentence)")
        }
        if check.places.count > Self.listedMax {
            terminal.line("    and \(check.places.count - Self.listedMax) more; --json has all")
        }
        terminal.problem(
            "the copy of \(result.stream) on \(place) is not sound: heal that server as in "
                + "docs/runbooks/TapeCopies.md")
    }

    private static func json(_ results: [Result]) -> String {
        JSONWriter.made { json in
            json.member("copies", each: results) { result, json in
                json.member("stream", result.stream)
                json.member("server", orNull: result.check.server)
                json.member("packets", result.check.messages)
                json.member("bytes", result.check.bytes)
                json.member("last_sequence", result.check.last)
                json.member("has_more_findings", result.check.isFull)
                json.member("findings", each: result.check.places) { place, json in
                    json.member("sequence", place.sequence)
                    json.member("finding", place.finding.sentence)
                }
            }
        }.text
    }
}

extension CopyCheck.Finding {
    var sentence: String {
        switch self {
        case .missing: "is missing"
        case .differs: "holds another packet than the other copies"
        case .damaged: "is damaged; another copy has it intact"
        case .extra: "is on no other copy"
        case .damagedEverywhere: "is damaged, and no other copy has it intact"
        case .hole(let expected, let found):
            "begins with ordinal \(found), where \(expected) follows"
        }
    }
}
