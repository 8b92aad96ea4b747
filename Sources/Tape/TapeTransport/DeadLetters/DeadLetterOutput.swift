internal import MarketModel
internal import NatsTransport
package import Primitives
package import ServiceRuntime
internal import Synchronization
package import TapeProtocol

/// The output for dead letters. They go onto their stream or, while NATS accepts none, into files
/// that a courier empties later. All threads of a service share it.
package final class DeadLetterOutput: Sendable {
    /// The time between two rounds of the courier.
    package static let courierWait = Duration.seconds(30)

    private let client: TapeClient
    package let context: ServiceContext
    /// Who refuses the records: a store, or the gateway. Its subject has this name.
    package let owner: String
    /// The kind of that store; empty for the gateway.
    package let storeKind: String
    private let bytesMax: Int64
    private let folder: DeadLetterFolder?
    /// The configuration key of the folder.
    private let folderKey: String
    /// Held by the one thread that uses the folder. Other threads can use the stream meanwhile.
    private let files = Mutex<Void>(())
    private let pending: Gauge

    /// Neither the stream nor the folder accepted the letters, so the work that they belong to is
    /// not done.
    package struct Refused: Error, CustomStringConvertible {
        package let description: String
    }

    /// `bytesMax` bounds the stream if the service makes it (see `ensureStream`). `folderKey` is
    /// the key that a person has to set when no folder is configured.
    package init(
        client: TapeClient, context: ServiceContext, owner: String, storeKind: String = "",
        folder: String?, bytesMax: Int64, folderKey: String
    ) {
        self.client = client
        self.context = context
        self.owner = owner
        self.storeKind = storeKind
        self.bytesMax = bytesMax
        self.folder = folder.map { DeadLetterFolder($0) }
        self.folderKey = folderKey
        pending = context.telemetry.metrics.gauge(
            "mds_dead_letters_pending_files", "files of dead letters that wait for NATS",
            "above 0 for long: check NATS and its stream of dead letters, which may be full")
        pending.set(0)
        if let folder { context.telemetry.metrics.addDisk(of: folder, purpose: "dead-letters") }
    }

    package var names: TapeNames { client.names }
    package var service: String { context.service.name }
    package func now() -> Timestamp { context.clock.now() }

    // MARK: taking

    /// After it returns, each letter is on a disk. That does not prove that the refused record's
    /// transaction was committed.
    package func take(_ letters: [DeadLetter]) throws(Refused) {
        let (left, reason) = publishMakingStream(letters, client.jetStream)
        guard !left.isEmpty else { return }
        guard let folder else {
            throw Refused(
                description: "\(left.count) dead letters cannot be published (\(reason)), and "
                    + "\(folderKey) names no folder for them")
        }
        do throws(DeadLetterFileError) {
            try files.withLock { _ throws(DeadLetterFileError) in
                try folder.append(left)
                pending.set(Double(try folder.fileCount()))
            }
        } catch {
            throw Refused(
                description: "\(left.count) dead letters cannot be published (\(reason)), nor kept "
                    + "in files: \(error)")
        }
        context.telemetry.emit(.deadLettersFiled(count: left.count, reason: reason))
    }

    private static let noStream = "their stream is not there"

    /// Publishes the letters. If their stream does not exist, it is made first where that is
    /// allowed.
    private func publishMakingStream(
        _ letters: [DeadLetter], _ jetStream: JetStream
    ) -> (left: [DeadLetter], reason: String) {
        let first = publish(letters, jetStream)
        guard first.left.count == letters.count, first.reason == Self.noStream,
            ensureStream() == nil
        else { return first }
        return publish(letters, jetStream)
    }

    /// Returns the letters that are not proven to be stored, and the reason.
    private func publish(
        _ letters: [DeadLetter], _ jetStream: JetStream
    ) -> (left: [DeadLetter], reason: String) {
        let messages = letters.map { IdentifiedMessage(payload: $0.json, id: $0.messageID) }
        let (outcomes, failure) = jetStream.publish(
            messages, to: names.deadLetters(of: owner))
        precondition(outcomes.count == letters.count, "a letter without an outcome would be lost")
        var left: [DeadLetter] = []
        var reason = failure.map { "\($0)" } ?? ""
        for (letter, outcome) in zip(letters, outcomes) {
            switch outcome {
            case .stored: continue
            case .noResponders: reason = Self.noStream
            case .refused(_, _, let description): reason = description
            case .malformed(let problem): reason = problem
            case .wrongLastSequence: reason = "another sequence was expected"
            case .inProcess: reason = "another write is in process"
            case nil: break
            }
            left.append(letter)
        }
        return (left, reason)
    }

    // MARK: the stream and the courier

    /// Returns why there is no stream; `nil` when it exists. A service makes it only on a server
    /// without users.
    package func ensureStream() -> String? {
        let name = names.deadLetterStream
        do throws(JetStreamError) {
            // An existing stream is used as it is: a person may have changed its limits.
            if try client.jetStream.streamInfo(name) != nil { return nil }
            guard !client.connection.demandsAuthorization else {
                return "\(TapeError.missingStream(name))"
            }
            var wanted = names.deadLetterStreamConfiguration(bytesMax: bytesMax)
            wanted.replicas = client.connection.replicas
            _ = try client.jetStream.createStream(wanted)
            return nil
        } catch .differs {
            // Another process made it first.
            return nil
        } catch {
            return "\(error)"
        }
    }

    /// Starts a thread that makes the stream and empties the files, repeatedly until the service
    /// ends.
    package func startCourier() throws -> ServiceThread {
        try ServiceThread(name: "dead-letters") { [self] in
            let beat = context.threads.thread("dead-letters", within: ThreadWatch.callLimit)
            defer { beat.retire() }
            var reported = ""
            repeat {
                report(ensureStream() ?? deliverFiles(beat), &reported)
                beat.beat(before: Self.courierWait)
            } while !context.shutdown.wait(timeout: Self.courierWait)
        }
    }

    /// Reports a problem. One that stays the same is reported once.
    package func report(_ problem: String?, _ reported: inout String) {
        if let problem, problem != reported {
            context.telemetry.emit(.deadLettersStuck(reason: problem))
        }
        reported = problem ?? ""
    }

    /// Publishes the letters in files. Returns why some of them are still there. `beat` belongs to
    /// this thread.
    package func deliverFiles(_ beat: ThreadBeat) -> String? {
        guard let folder else { return nil }
        do throws(DeadLetterFileError) {
            let closed = try files.withLock { _ throws(DeadLetterFileError) in
                try folder.closeCurrent()
                return try folder.closedFiles()
            }
            for file in closed {
                if let problem = try deliver(file, of: folder, beat) { return problem }
            }
            return nil
        } catch {
            return "\(error)"
        }
    }

    /// Publishes the letters of one file and removes it. Returns why it is still there, or why it
    /// was set aside; else `nil`, also when another process has done it.
    private func deliver(
        _ file: DeadLetterFolder.ClosedFile, of folder: DeadLetterFolder, _ beat: ThreadBeat
    ) throws(DeadLetterFileError) -> String? {
        // A write to a disk has no deadline of ours.
        beat.beat(before: ThreadWatch.systemTime)
        guard let (letters, problems) = try folder.read(file) else { return nil }
        let (left, reason) = publishMakingStream(letters, client.calling(beat).jetStream)
        guard left.isEmpty else { return reason }
        try files.withLock { _ throws(DeadLetterFileError) in
            if problems.isEmpty { try folder.remove(file) } else { try folder.setAside(file) }
            pending.set(Double(try folder.fileCount()))
        }
        context.telemetry.emit(.deadLettersDelivered(file: file.path, count: letters.count))
        return problems.first.map { "\($0); the file was set aside" }
    }
}

extension MetricRegistry {
    /// Returns the counter of dead letters that are ticks or bars of a table. `sink` is "unknown"
    /// when their kind is not known.
    package func deadLetters(sink: String, reason: DeadLetter.Reason) -> Counter {
        counter(
            "mds_dead_letters_total",
            "a tick or bar that was set aside; sink `unknown`: its kind is not known",
            "above 0: `tapeline dlq list`",
            by: "sink, reason: data, undecodable, out_of_range, future (by the gateway)",
            labels: [("sink", sink), ("reason", reason.rawValue)])
    }
}
