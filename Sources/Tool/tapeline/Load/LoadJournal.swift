import MarketModel
import NatsTransport
import Primitives
import TapeCodec
import TapeProtocol
import TapeTransport

/// Notes, beside the tape, which loads of a source were begun and which are done.
struct LoadJournal {
    private static let work = Deployment.TapeWork(
        failure: "the record of loads cannot be reached", right: "note loads")

    /// How often a change is tried when others write at the same time.
    private static let triesMax = 16

    let deployment: Deployment
    let source: SourceName
    /// The load that the command wants.
    let wanted: LoadRange

    /// Decides what is to be done, and notes nothing.
    func decision() throws(ToolError) -> LoadDecision {
        try inStore { store, client in
            let decision = LoadDecision(
                on: wanted, among: try stored(store, client).value, of: source)
            guard decision == .begin else { return decision }
            return LoadDecision(on: wanted, reached: try reached(client), of: source)
        }
    }

    /// Returns the highest watermark of the source on the tape; undefined: there is none. A gateway
    /// that was started by hand may have put it there.
    private func reached(_ client: TapeClient) throws -> Timestamp {
        let names = client.names
        let streams = (0..<TapeNames.tickStreams).map {
            (names.tickStream($0), names.watermarks(stream: $0, source))
        }
        let partitions = (0..<names.partitions).map {
            let partition = Partition($0)
            return (names.tickStream(of: partition), names.ticks(partition, source))
        }
        let existing = Set(
            try (0..<TapeNames.tickStreams).map { names.tickStream($0) }
                .filter { try client.jetStream.streamInfo($0) != nil })
        return try (streams + partitions).filter { existing.contains($0.0) }
            .compactMap { stream, subject in
                try client.lastContent(stream: stream, subject: subject)?.header.watermark
            }
            // The smallest time is a marker's.
            .filter { $0.isDefined && $0.nanoseconds != Int64.min }.max() ?? .undefined
    }

    /// Notes that the load is running. It is noted before anything is on the tape, so that only
    /// the same load can continue what is there.
    func begin() throws(ToolError) {
        try change { loads throws(ToolError) in
            let decision = LoadDecision(on: wanted, among: loads, of: source)
            if case .refused(let reason) = decision { throw .refused(reason) }
            if decision == .begin { loads.set(wanted) }
        }
    }

    /// Notes that all of it is on the tape.
    func finish(at time: Timestamp) throws(ToolError) {
        try change { loads throws(ToolError) in
            guard var done = loads.ranges.first(where: { $0.isSame(as: wanted) }) else {
                throw .refused("what was noted of the load of source \(source) is not there")
            }
            guard done.state != .done else { return }
            done.state = .done
            done.time = time
            loads.set(done)
        }
    }

    // MARK: parts

    /// Reads the record, changes it, and writes it, again and again while others write.
    private func change(
        _ edit: (inout SourceLoads) throws(ToolError) -> Void
    ) throws(ToolError) {
        try inStore { (store, client) throws -> Void in
            var reason = "others write at the same time"
            for _ in 0..<Self.triesMax {
                let before = try stored(store, client)
                var loads = before.value
                try edit(&loads)
                // What was sent without an answer may be stored already.
                guard loads != before.value else { return }
                if let problem = loads.problem { throw ToolError.refused(problem) }
                switch try store.write(loads, after: before) {
                case .stored: return
                case .conflict: continue
                case .unknown(let problem): reason = problem
                }
            }
            throw ToolError.unreachable(
                "the load of source \(source) could not be noted: \(reason); run it again, it "
                    + "goes on where it was")
        }
    }

    private func stored(_ store: LoadStore, _ client: TapeClient) throws -> LoadStore.Stored {
        let stored = try store.read()
        guard let refusal = stored.refusal else { return stored }
        let advice =
            refusal.isNewer
            ? "" : "; 'nats kv del \(client.names.sourceBucket) \(store.key)' removes it"
        throw ToolError.refused(
            "what was loaded into source \(source) cannot be read: \(refusal)\(advice)")
    }

    private func inStore<Outcome>(
        _ body: (LoadStore, TapeClient) throws -> Outcome
    ) throws(ToolError) -> Outcome {
        try deployment.onTape(Self.work) { client in
            try body(try LoadStore(client, source), client)
        }
    }
}
