import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport
import TickSpool

/// Carries out `tapeline spool replay`: counts, asks for confirmation, then publishes.
struct SpoolReplay {
    /// The clocks of provider, gateway and server may differ by this much.
    private static let marginNanoseconds: Int64 = 60_000_000_000
    private static let turn: Duration = .milliseconds(100)

    let command: SpoolReplayCommand
    let folder: String
    let terminal: Terminal

    func run(_ deployment: Deployment, shutdown: ShutdownSignal) throws(ToolError) -> ExitCode {
        let spool = try survey()
        guard let source = spool.source else {
            throw .unreadable("\(spool.path) does not say whose it was: its files are damaged")
        }
        let client = try deployment.openTape()
        defer { client.close() }
        do {
            return try run(spool, source, client, shutdown)
        } catch let error as ToolError {
            throw error
        } catch let error as SpoolError {
            throw .spool(error)
        } catch {
            throw .unreachable("the spool cannot be replayed: \(error)")
        }
    }

    private func survey() throws(ToolError) -> SpoolSurvey {
        do throws(SpoolError) {
            if let found = try SpoolSurvey.aside(command.name, in: folder) { return found }
        } catch {
            throw .spool(error)
        }
        throw .usage(
            "'\(command.name.prefix(64))' was not set aside in \(folder) ('tapeline spool list' "
                + "shows what was; what a gateway still has it publishes itself)")
    }

    private func run(
        _ spool: SpoolSurvey, _ source: SourceName, _ client: TapeClient,
        _ shutdown: ShutdownSignal
    ) throws -> ExitCode {
        var plan = try look(spool, source, client, shutdown)
        var counts = ReplayCounts()
        try pass(spool, &plan, &counts, shutdown) { _, _ in }
        if !command.asJSON { for line in counts.lines(spool.name) { terminal.line(line) } }
        guard counts[.publish] > 0 else {
            terminal.line(
                command.asJSON ? counts.json(spool.name) : "there is nothing to put on the tape")
            return .success
        }
        let question = "Put \(counts[.publish]) ticks on the tape, under the source 'manual'?"
        guard try Confirmation.ask(question, isGiven: command.isConfirmed, terminal) else {
            return .failure
        }
        let publisher = try ManualPublisher(client, spool.shares.map(\.partition), shutdown)
        try publisher.open()
        // Reads again, because from now on no other process can publish these ticks.
        plan = try look(spool, source, client, shutdown)
        counts = ReplayCounts()
        try pass(spool, &plan, &counts, shutdown) { tick, partition in
            try publisher.append(tick, of: source, partition)
        }
        try publisher.drain()
        counts.published = publisher.ticks
        try SpoolReader(spool).markReplayed("\(SystemClock().now()): \(counts.published) ticks")
        terminal.line(
            command.asJSON
                ? counts.json(spool.name)
                : "\(counts.published) ticks are on the tape, marked as backfilled")
        return .success
    }

    /// Reads what the tape has for the spool's partitions since its first tick: gaps, and ticks
    /// that are there already.
    private func look(
        _ spool: SpoolSurvey, _ source: SourceName, _ client: TapeClient,
        _ shutdown: ShutdownSignal
    ) throws -> ReplayPlan {
        var plan = ReplayPlan(source: source)
        let names = client.names
        let partitions = spool.shares.map(\.partition)
        if let high = partitions.last, high.number >= names.partitions {
            throw ToolError.usage(
                "the spool has partition \(high), and this tape has \(names.partitions) of them: "
                    + "it is of another tape")
        }
        guard spool.oldestEventTime.isDefined else { return plan }
        let start = spool.oldestEventTime.advanced(byNanoseconds: -Self.marginNanoseconds)
        let reader = try RangeReader(client, group: "spool")
        defer { reader.close() }
        for partition in partitions {
            let input = TapeReaders.Input(
                partition: partition, stream: names.tickStream(of: partition),
                filters: [names.ticks(partition, source), names.ticks(partition, .manual)])
            try reader.open(input, from: .time(start), to: .stored)
        }
        while !reader.isOver {
            try check(shutdown)
            try reader.receive(timeout: Self.turn) { packet in
                let header = try packet.header.get()
                packet.message.withPayload { plan.take(header, $0) }
            }
            if plan.remembersTooMany {
                throw ToolError.refused(
                    "more than \(ReplayPlan.replayedMax) ticks were replayed since the spool "
                        + "began: whether its own are among them cannot be held in memory")
            }
        }
        return plan
    }

    private func pass(
        _ spool: SpoolSurvey, _ plan: inout ReplayPlan, _ counts: inout ReplayCounts,
        _ shutdown: ShutdownSignal, _ publish: (ReplayTick, Partition) throws -> Void
    ) throws {
        let reader = try SpoolReader(spool)
        var seen = ReplayCounts()
        while let item = try reader.next() {
            try check(shutdown)
            switch item {
            case .damaged(let damage): seen.damagedFrames += UInt64(damage.frames.count)
            case .packet(let spooled):
                let partition = spooled.packet.header.partition
                try plan.decide(spooled.packet) { outcome, tick in
                    seen.count(outcome)
                    if outcome == .publish, let tick { try publish(tick, partition) }
                }
            }
        }
        counts = seen
    }

    private func check(_ shutdown: ShutdownSignal) throws(ToolError) {
        if shutdown.isRequested { throw .refused("interrupted; nothing more was changed") }
    }
}
