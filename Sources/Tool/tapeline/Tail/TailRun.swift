internal import Glibc
import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import TapeCodec
import TapeListing
import TapeProtocol
import TapeTransport

/// Runs a tail: takes packets from the tape, selects ticks and prints them.
final class TailRun {
    private static let turn: Duration = .milliseconds(100)
    /// More than the largest packet.
    private static let pullBytes = 2 * 1_024 * 1_024
    /// The number of problems that are reported individually. Further ones are only counted.
    static let problemsShownMax = 100

    private let command: TailCommand
    private let terminal: Terminal
    private let printer: TailPrinter
    private let selection: ListedSelection
    private var output: OutputBuffer
    private var tick = ListedTick()
    private var packet = PacketListing()
    private var ordinals = TailOrdinals()
    private(set) var ticks = 0
    private(set) var packets = 0
    private(set) var problems = 0

    init(_ command: TailCommand, _ terminal: Terminal) {
        self.command = command
        self.terminal = terminal
        printer = TailPrinter(format: command.format)
        selection = command.selection
        output = OutputBuffer(descriptor: terminal.output)
    }

    func run(_ deployment: Deployment, shutdown: ShutdownSignal) throws(ToolError) -> ExitCode {
        let selections = try command.selections(deployment.names)
        let client = try deployment.openTape()
        defer { client.close() }
        do {
            let reader = try RangeReader(
                client, group: "tail", isRaw: true, pullBytes: Self.pullBytes)
            defer { reader.close() }
            for selection in selections {
                let input = TapeReaders.Input(
                    partition: Partition(0), stream: selection.stream, filters: selection.filters)
                // If the end is in the future, it waits for it.
                try reader.open(
                    input, from: start, to: command.follows || endsLater ? .never : .stored)
            }
            printer.begin(&output)
            try read(reader, shutdown)
        } catch {
            output.flush()
            throw ToolError(reading: error)
        }
        return ending(shutdown)
    }

    private var start: ReaderLane.Start {
        switch command.from {
        case .beginning: .first
        case .time(let time): .time(time)
        case .sequence(let sequence): .sequence(sequence)
        case nil: command.follows ? .end : .first
        }
    }

    private var endsLater: Bool {
        guard case .time(let end) = command.until else { return false }
        return end > SystemClock().now()
    }

    private var hasReachedLimit: Bool { command.limit.map { ticks >= $0 } ?? false }

    private func read(_ reader: RangeReader, _ shutdown: ShutdownSignal) throws {
        while !reader.isOver, !shutdown.isRequested, !output.isGone, !hasReachedLimit {
            try reader.receive(timeout: Self.turn) { found in
                // After a stop the rest of the batch is dropped, so that the person does not wait
                // for it.
                if !shutdown.isRequested { take(found, reader) }
            }
            output.flush()
            output.look()
            if isPastEnd { return }
        }
        output.flush()
    }

    /// True if everything before the end has been read, and all that is stored from now on is past
    /// it.
    private var isPastEnd: Bool {
        guard case .time(let end) = command.until, command.follows || wasLate else { return false }
        return SystemClock().now().nanoseconds > end.nanoseconds + 1_000_000_000
    }

    private lazy var wasLate = endsLater

    // MARK: packets

    private func take(_ found: RangeReader.Packet, _ reader: RangeReader) {
        guard !hasReachedLimit, !output.isGone else { return }
        if isBehindEnd(found) {
            reader.end(found.range)
            return
        }
        packets += 1
        let stream = reader.stream(found.range)
        switch found.header {
        case .success(let header):
            if let problem = ordinals.follow(header, sequence: found.sequence) {
                note(problem, stream)
            }
            found.message.withPayload { show($0, header, found.sequence) }
        case .failure(let error): note(.undecodable(sequence: found.sequence, error), stream)
        }
    }

    private func isBehindEnd(_ found: RangeReader.Packet) -> Bool {
        switch command.until {
        case .time(let end): found.time >= end
        case .sequence(let last): found.sequence > last
        case .beginning, nil: false
        }
    }

    private func note(_ problem: TailOrdinals.Problem, _ stream: String) {
        problems += 1
        // Everything read before the problem is written before it.
        output.flush()
        if problems <= Self.problemsShownMax { terminal.problem("\(stream): \(problem)") }
        if problems == Self.problemsShownMax { terminal.problem("further problems are counted") }
    }

    private func show(_ bytes: RawSpan, _ header: PacketHeader, _ sequence: UInt64) {
        packet.begin(header, sequence: sequence)
        var shown = 0
        packet.walk(bytes, selection, &tick) { tick in
            guard !hasReachedLimit else { return }
            printer.line(tick, &output)
            ticks += 1
            shown += 1
        }
    }

    // MARK: the end

    private var symbolsAsked: String {
        command.symbols.map(\.text).joined(separator: " or ")
    }

    /// Symbols are upper case, but people often type them in lower case.
    private var caseHint: String {
        guard let symbol = command.symbols.first(where: { $0.text != $0.text.uppercased() })
        else { return "" }
        return " (symbols are case-sensitive: did you mean \(symbol.text.uppercased())?)"
    }

    private func ending(_ shutdown: ShutdownSignal) -> ExitCode {
        if problems > 0 {
            terminal.problem(
                "\(problems) problem\(problems == 1 ? "" : "s") on the tape, "
                    + "\(ticks) ticks of \(packets) packets shown")
            return .dataError
        }
        if shutdown.isRequested {
            terminal.problem("\(ticks) ticks of \(packets) packets")
        } else if ticks == 0, !command.symbols.isEmpty {
            terminal.problem("no tick of \(symbolsAsked) was found there\(caseHint)")
        }
        if let failure = output.failure, failure != EPIPE {
            terminal.problem("cannot write: \(SystemErrorCode(rawValue: failure))")
            return .ioError
        }
        return .success
    }
}
