import MarketModel
import NatsTransport
import PostgresClient
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport

/// Carries out `tapeline versions fill`.
struct VersionsRun {
    private static let turn: Duration = .milliseconds(100)

    let command: VersionsCommand
    let terminal: Terminal
    let shutdown: ShutdownSignal

    func run(_ deployment: Deployment) throws(ToolError) -> ExitCode {
        for partition in command.partitions
        where partition.number >= deployment.names.partitions {
            throw .usage(
                "partition \(partition) is not there: there are "
                    + "\(deployment.names.partitions), from 0 on")
        }
        let database = try deployment.openDatabase(VersionStore.configuration)
        defer { database.close() }
        let store = try VersionStore(database, isDryRun: command.isDryRun)
        let books = try store.books().filter {
            $0.partition < deployment.names.partitions
                && command.wants(Partition($0.partition))
        }
        let client = try deployment.openTape()
        defer { client.close() }
        var report = VersionsReport(isDryRun: command.isDryRun)
        var progress = ProgressLine(terminal, asJSON: command.asJSON)
        for book in books where !shutdown.isRequested {
            report.partitions.append(
                try fill(book, store, client, &progress))
        }
        progress.end()
        report.isInterrupted = shutdown.isRequested
        if command.asJSON {
            terminal.line(report.json())
        } else {
            for line in report.lines { terminal.line(line) }
        }
        return report.exitCode
    }

    // MARK: a partition

    private func fill(
        _ book: VersionStore.Book, _ store: VersionStore, _ client: TapeClient,
        _ progress: inout ProgressLine
    ) throws(ToolError) -> VersionsReport.Filled {
        var filled = VersionsReport.Filled(book: book)
        let partition = Partition(book.partition)
        var proof = VersionProof(last: book.afterOrdinal)
        do {
            guard let next = try seam(of: book, client) else {
                filled.state = .nothing
                return filled
            }
            try read(partition, client, &proof, &progress) { batch throws(ToolError) in
                let outcome = try store.fill(batch, book, next: next)
                filled.outcome.add(outcome)
                return outcome.incomplete
            }
        } catch let error as ToolError {
            throw error
        } catch let error as TapeRangeError {
            filled.state = .unreadable("\(error)")
            return filled
        } catch {
            throw ToolError(reading: error)
        }
        try settle(&filled, proof, store)
        return filled
    }

    /// Moves the book, if everything that the tape has of before is in the database.
    private func settle(
        _ filled: inout VersionsReport.Filled, _ proof: VersionProof, _ store: VersionStore
    ) throws(ToolError) {
        guard !shutdown.isRequested else { return }
        guard filled.outcome.disagreements == 0 else {
            filled.state = .disagrees
            return
        }
        guard let after = proof.keptAfter else {
            filled.state = .unreadable("the tape ends before the last bar from before")
            return
        }
        filled.state = .whole
        // A dry run does not see what it would have added, so it cannot tell what is incomplete.
        guard !command.isDryRun else { return }
        filled.hasMoved = try store.move(filled.book, after: after, since: proof.since)
        filled.reached = try store.books().first { $0.partition == filled.book.partition }
    }

    /// Returns when the tape took the first packet after all versions of before; undefined if there
    /// is none, and `nil` if the tape has nothing of before.
    private func seam(
        of book: VersionStore.Book, _ client: TapeClient
    ) throws(JetStreamError) -> Timestamp? {
        guard book.afterOrdinal > 0,
            var search = try LaneSearch(
                client.jetStream, stream: client.names.barStream,
                subject: client.names.bars(Partition(book.partition))),
            search.begin <= book.afterOrdinal
        else { return nil }
        guard case .packet(let message, _) = try search.find(book.afterOrdinal + 1) else {
            return .undefined
        }
        return message.time
    }

    /// Reads the bars of before of a partition, and passes them on in batches. `fill` returns where
    /// what is stored of an incomplete bar begins.
    private func read(
        _ partition: Partition, _ client: TapeClient, _ proof: inout VersionProof,
        _ progress: inout ProgressLine,
        _ fill: (VersionBatch) throws(ToolError) -> UInt64
    ) throws {
        let input = TapeReaders.Input(
            partition: partition, stream: client.names.barStream,
            filters: [client.names.bars(partition)])
        let reader = try RangeReader(client, group: "versions")
        defer { reader.close() }
        try reader.open(input, from: .first, to: .stored)
        var batch = VersionBatch()
        while !reader.isOver, !shutdown.isRequested {
            try reader.receive(timeout: Self.turn) { packet in
                let header = try packet.header.get()
                guard header.source == .operator else { return }
                guard header.firstOrdinal <= proof.last else {
                    reader.end(packet.range)
                    return
                }
                proof.take(header.firstOrdinal..<header.nextOrdinal, at: packet.time)
                batch.append(
                    VersionBatch.Packet(
                        header: header, message: packet.message, tapeTime: proof.tapeTime))
                if header.nextOrdinal > proof.last { reader.end(packet.range) }
                guard batch.isFull else { return }
                proof.noteIncomplete(from: try fill(batch))
                batch.removeAll()
            }
            progress.show {
                let share = ProgressLine.share(
                    proof.reached - (proof.first ?? 0), of: proof.last - (proof.first ?? 0))
                return "partition \(partition):\(share) of the tape's bars from before"
            }
        }
        guard !shutdown.isRequested else { return }
        proof.noteIncomplete(from: try fill(batch))
    }
}
