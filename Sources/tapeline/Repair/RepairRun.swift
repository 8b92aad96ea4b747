internal import Glibc
import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTransport

/// Carries out `tapeline repair`: puts the request on the tape, and waits for what comes of it.
struct RepairRun {
    private static let turn: Duration = .milliseconds(100)

    let command: RepairCommand
    let terminal: Terminal

    func run(_ deployment: Deployment, shutdown: ShutdownSignal) throws(ToolError) -> ExitCode {
        let partition = deployment.names.partition(of: command.symbol)
        if !command.asJSON { for line in explanation(partition) { terminal.line(line) } }
        guard !command.isDryRun else {
            finish(partition, RepairOutcome(state: "not_requested"))
            return .success
        }
        guard try Confirmation.ask("Repair?", isGiven: command.isConfirmed, terminal) else {
            terminal.line("nothing was changed")
            return .failure
        }
        let client = try deployment.openTape()
        defer { client.close() }
        do {
            return try run(partition, client, shutdown)
        } catch let error as ToolError {
            throw error
        } catch {
            throw .unreachable("it cannot be asked for: \(error)")
        }
    }

    private func explanation(_ partition: Partition) -> [String] {
        [
            "\(command.symbol), \(command.from) to \(command.to), partition \(partition):",
            "  its operator reads that part of the tape again and publishes what its windows give",
            "  as new versions of their bars, with the reason '\(command.reason)'. What came late,",
            "  was taken back, corrected or filled in meanwhile counts in them.",
        ]
    }

    private func run(
        _ partition: Partition, _ client: TapeClient, _ shutdown: ShutdownSignal
    ) throws -> ExitCode {
        let watch = try command.waitSeconds.map { _ in try RepairWatch(command, partition, client) }
        defer { watch?.close() }
        let publisher = try ManualPublisher(client, [partition], shutdown)
        try publisher.open()
        try publisher.append(request(), of: command.symbol, partition)
        try publisher.drain()
        let sequence = publisher.lastSequence(partition)
        guard let watch, let seconds = command.waitSeconds else {
            finish(partition, RepairOutcome(state: "requested", sequence: sequence))
            return .success
        }
        let isOver = try watch.wait(behind: sequence, seconds: seconds, turn: Self.turn, shutdown)
        let state = !isOver ? "waiting" : watch.bars > 0 ? "repaired" : "nothing_changed"
        finish(partition, RepairOutcome(state: state, sequence: sequence, bars: watch.bars))
        return isOver ? (watch.bars > 0 ? .success : .failure) : .temporary
    }

    private func request() -> RepairRequest {
        let requester = unsafe getenv("USER").map { unsafe String(cString: $0) } ?? ""
        return RepairRequest(
            header: TickHeader(
                symbol: 0, providerTime: .undefined, receiveTime: SystemClock().now()),
            from: command.from, to: command.to, reason: command.reason,
            requester: requester.utf8.count <= RepairRequest.requesterBytesMax ? requester : "",
            note: command.note)
    }

    private func finish(_ partition: Partition, _ outcome: RepairOutcome) {
        if command.asJSON {
            terminal.line(outcome.json(command, partition))
        } else if let text = outcome.text {
            terminal.line(text)
        }
    }
}

/// What is known of a repair when the command ends.
private struct RepairOutcome {
    var state: String
    /// Where the request stands on the tape of ticks.
    var sequence: UInt64?
    var bars = 0

    var text: String? {
        switch state {
        case "requested": "the request is on the tape"
        case "repaired": "\(bars) new versions of bars are on the tape"
        case "nothing_changed":
            "the request was worked on and no bar came of it: there is none in that time, or its "
                + "operator refused it (its log says operator.repair.refused, and /status why)"
        case "waiting":
            "the request is on the tape and not worked on yet: is its operator-worker running? "
                + "('tapeline members')"
        default: nil
        }
    }

    func json(_ command: RepairCommand, _ partition: Partition) -> String {
        var json = JSONWriter()
        json.object { json in
            json.member("symbol", command.symbol.text)
            json.member("partition", partition.number)
            json.member("from", "\(command.from)")
            json.member("from_ns", command.from.nanoseconds)
            json.member("to", "\(command.to)")
            json.member("to_ns", command.to.nanoseconds)
            json.member("reason", "\(command.reason)")
            json.member("state", state)
            if let sequence { json.member("sequence", sequence) }
            json.member("bars", bars)
        }
        return String(decoding: json.bytes, as: UTF8.self)
    }
}

/// Follows the bars of the partition until the output of the request is out.
private final class RepairWatch {
    private let command: RepairCommand
    private let feed: TailFeed
    private let clock = SystemClock()
    /// Versions of bars of the range that give the request's reason.
    private(set) var bars = 0
    /// The input up to which all output is out.
    private var reached: UInt64 = 0

    init(_ command: RepairCommand, _ partition: Partition, _ client: TapeClient) throws {
        self.command = command
        feed = try TailFeed(client, follows: true)
        let names = client.names
        try feed.open(
            TailCommand.Selection(stream: names.barStream, filters: [names.bars(partition)]),
            at: .new)
    }

    func close() { feed.close() }

    /// False: it is not out in time.
    func wait(
        behind sequence: UInt64, seconds: Int, turn: Duration, _ shutdown: ShutdownSignal
    ) throws -> Bool {
        let deadline = clock.deadline(after: .seconds(seconds))
        while reached < sequence {
            guard clock.remaining(until: deadline) > .zero else { return false }
            if shutdown.isRequested { throw ToolError.refused("interrupted; the request stays") }
            try feed.receive(timeout: turn) { message in
                try message.message.withPayload { bytes throws in
                    _ = try PacketReader.validate(bytes)
                    take(bytes)
                }
            }
        }
        return true
    }

    private func take(_ packet: RawSpan) {
        var symbols: [UInt32: Symbol] = [:]
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            switch record {
            case .bar(let bar):
                guard symbols[bar.symbol] == command.symbol,
                    bar.reason == command.reason.rawValue, bar.openTime < command.to,
                    bar.closeTime > command.from
                else { continue }
                bars += 1
            case .other(let message):
                if let (index, definition) = message.symbolDefinition(in: packet) {
                    symbols[index] = definition.symbol
                }
            case .trade, .quote, .malformed: continue
            }
        }
        if let state = PacketReader.outputState(of: packet) {
            reached = max(reached, state.input.sequence)
        }
    }
}
