import MembershipTransport
import NatsTransport
import Primitives
import ServiceRuntime
import TapeKeeping
import TapeProtocol
import TapeTransport

/// Makes the streams and buckets of a namespace, and updates existing ones.
struct SetupRun {
    /// The outcome for each stream, and why some differ from what they should be.
    struct Report: Sendable {
        var streams: [StreamSetup] = []
        var problems: [String] = []
    }

    let names: TapeNames
    let sizes: SetupCommand.Sizes
    /// `nil`: nothing is waited for.
    var patience: SetupPatience?

    /// The streams of the tape come last. Services wait for those, and by then everything else
    /// exists.
    var wanted: [StreamConfiguration] {
        [
            GroupDirectory.bucket(names).stream, GroupRegistry.configuration(names).stream,
            names.sourceBucketConfiguration.stream, names.operatorBucketConfiguration.stream,
        ] + names.tickStreamConfigurations(bytesMax: sizes.stream) + [
            names.barStreamConfiguration(bytesMax: sizes.stream)
        ]
    }

    /// `client` must belong to a user that may make streams.
    func run(_ client: TapeClient) throws(ToolError) -> Report {
        var report = Report()
        try add(letters(client), client, &report)
        for stream in wanted { try add(stream, client, &report) }
        return report
    }

    /// An existing stream of dead letters keeps its configuration, except for its size.
    private func letters(_ client: TapeClient) throws(ToolError) -> StreamConfiguration {
        var wanted = names.deadLetterStreamConfiguration(bytesMax: sizes.deadLetters)
        do throws(JetStreamError) {
            let found = try patiently(client) { () throws(JetStreamError) in
                try client.jetStream.streamInfo(wanted.name)
            }
            guard let found else { return wanted }
            let room = wanted.maxBytes
            wanted = found.configuration
            wanted.maxBytes = room
            return wanted
        } catch {
            throw failure(error, wanted.name, client)
        }
    }

    private func add(
        _ stream: StreamConfiguration, _ client: TapeClient, _ report: inout Report
    ) throws(ToolError) {
        do throws(JetStreamError) {
            let setup = try patiently(client) { () throws(JetStreamError) in
                try client.jetStream.setUpStream(stream)
            }
            report.streams.append(setup)
            if let reason = setup.copies.refusal {
                report.problems.append(
                    "stream \(setup.stream) keeps \(setup.copies.now) of the "
                        + "\(setup.copies.wanted) copies that MDS_REPLICAS says: \(reason)")
            }
            guard case .refused(let reason) = setup.outcome else { return }
            report.problems.append(
                "stream \(setup.stream) holds \(Self.size(setup.bytesMax)) and was not made "
                    + "larger (\(reason)): give the server more room (NATS_STORE_BYTES_MAX), or "
                    + "set \(SetupCommand.streamBytes) lower")
        } catch {
            guard case .differs = error else { throw failure(error, stream.name, client) }
            report.problems.append("\(TapeError(making: error))")
        }
    }

    /// Asks again while the server has no answer for the moment. Every call may be repeated.
    private func patiently<Value>(
        _ client: TapeClient, _ ask: () throws(JetStreamError) -> Value
    ) throws(JetStreamError) -> Value {
        while true {
            do throws(JetStreamError) {
                return try ask()
            } catch {
                guard client.complaint == nil, patience?.waits(for: error) == true else {
                    throw error
                }
            }
        }
    }

    private func failure(
        _ error: JetStreamError, _ stream: String, _ client: TapeClient
    ) -> ToolError {
        if case .fewServers = error { return .refused("\(TapeError.jetStream(error))") }
        guard let complaint = client.complaint else {
            return .unreachable("stream \(stream) cannot be made: \(error)")
        }
        return .refused(
            "NATS does not let this user make stream \(stream) (\(complaint)): name the user "
                + "'tool' by NATS_USER and NATS_PASSWORD or NATS_PASSWORD_FILE")
    }

    static func size(_ bytes: Int64) -> String {
        bytes < 0 ? "no limit" : TapeReport.bytes(UInt64(bytes))
    }
}

extension SetupRun.Report {
    var lines: [String] {
        streams.map { setup in
            "\(setup.stream.padded(to: 24)) \(setup.word.padded(to: 9)) "
                + setup.sentence
        }
    }

    func json(_ names: TapeNames) -> String {
        JSONWriter.made { json in
            json.member("namespace", names.namespace)
            json.member("partitions", names.partitions)
            json.key("streams")
            json.array { json in
                for setup in streams { json.object { setup.write(into: &$0) } }
            }
            json.member("problems", values: problems)
        }.text
    }
}

extension StreamSetup {
    fileprivate var word: String {
        switch outcome {
        case .made: "made"
        case .enlarged: "enlarged"
        case .left: "left"
        case .refused: "refused"
        }
    }

    /// The size, and the copies if their number is not the usual 1.
    fileprivate var sentence: String {
        copies.sentence.map { "\(sizeSentence); \($0)" } ?? sizeSentence
    }

    private var sizeSentence: String {
        let size = SetupRun.size(bytesMax)
        switch outcome {
        case .made: return size
        case .enlarged(let before, let subjects):
            let added = subjects > 0 ? ", \(subjects) further subjects" : ""
            return "\(SetupRun.size(before)) before, \(size) now\(added)"
        case .left:
            let isLarger = wanted >= 0 && (bytesMax < 0 || bytesMax > wanted)
            return isLarger
                ? "\(size), more than the \(SetupRun.size(wanted)) wanted: none is made smaller"
                : size
        case .refused: return "\(size), \(SetupRun.size(wanted)) wanted"
        }
    }

    fileprivate func write(into json: inout JSONWriter) {
        json.member("stream", stream)
        json.member("outcome", word)
        json.member("bytes_max", bytesMax)
        json.member("bytes_wanted", wanted)
        json.member("replicas", copies.now)
        json.member("replicas_wanted", copies.wanted)
        if case .enlarged(let before, let subjects) = outcome {
            json.member("bytes_before", before)
            json.member("subjects_added", subjects)
        }
    }
}

extension StreamSetup.Copies {
    fileprivate var sentence: String? {
        if now > wanted { return "\(now) copies, MDS_REPLICAS=\(wanted) takes none away" }
        if now < wanted { return "\(now) of \(wanted) copies" }
        if now > before { return "\(before) copies before, \(now) now" }
        return now > 1 ? "\(now) copies" : nil
    }
}

extension SetupCommand {
    func run(
        _ deployment: Deployment, _ environment: [String: String], _ terminal: Terminal,
        _ patience: SetupPatience? = nil
    ) throws(ToolError) -> ExitCode {
        let sizes = try sizes(environment)
        let client = try deployment.connect()
        defer { client.close() }
        let report = try SetupRun(names: deployment.names, sizes: sizes, patience: patience)
            .run(client)
        terminal.show(report.lines, json: report.json(deployment.names), asJSON)
        for problem in report.problems { terminal.problem(problem) }
        return report.problems.isEmpty ? .success : .failure
    }
}
