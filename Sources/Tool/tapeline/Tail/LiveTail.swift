internal import Glibc
import MarketModel
import NatsTransport
import Primitives
import ServiceRuntime
import Synchronization
import TapeCodec
import TapeListing
import TapeProtocol
import TapeTransport

/// `tapeline tail --live`: prints what services publish live. The live fan-out guarantees nothing;
/// a client that needs every tick must read the tape.
final class LiveTail {
    private static let turn = Duration.milliseconds(100)
    private static let messagesPerTurn = 4_096
    /// The most messages that wait to be written. Further ones are counted and dropped.
    private static let messagesMax = 65_536

    private let command: TailCommand
    private let terminal: Terminal
    private let printer: TailPrinter
    private let mailbox = Mailbox<NatsMessage>(capacity: LiveTail.messagesMax)
    private let tooMany = Tally()
    private var output: OutputBuffer
    private var tick = ListedTick()
    private(set) var ticks = 0
    private(set) var problems = 0

    /// Counters that the subscriptions' threads increment.
    private final class Tally: Sendable {
        let count = Atomic<Int>(0)
    }

    init(_ command: TailCommand, _ terminal: Terminal) {
        self.command = command
        self.terminal = terminal
        printer = TailPrinter(format: command.format)
        output = OutputBuffer(descriptor: terminal.output)
    }

    func run(_ deployment: Deployment, shutdown: ShutdownSignal) throws(ToolError) -> ExitCode {
        let client = try deployment.openTape()
        defer { client.close() }
        do throws(NatsError) {
            let subscriptions = try Self.subjects(command, deployment.names).map {
                subject throws(NatsError) in try subscribe(client.connection, subject)
            }
            defer { for subscription in subscriptions { subscription.unsubscribe() } }
            // After the flush the subscriptions are active on the server.
            try client.connection.flush(timeout: .seconds(5))
            printer.begin(&output)
            listen(client.connection, shutdown)
        } catch {
            output.flush()
            throw .unreachable("nothing can be heard live: \(error)")
        }
        return ending(shutdown)
    }

    /// Returns the subjects per kind and symbol. Without symbols they cover all of them.
    static func subjects(_ command: TailCommand, _ names: TapeNames) -> [String] {
        let all: [RecordKind] = [.trade, .quote, .providerBar, .bar]
        let symbols: [Symbol?] = command.symbols.isEmpty ? [nil] : command.symbols
        let source = command.source
        let values =
            command.liveKinds.contains(.record(.indicator))
            ? symbols.flatMap { names.liveValues(of: $0, source) } : []
        return values
            + all.filter { command.liveKinds.contains(.record($0)) }.flatMap { kind in
                symbols.map { symbol in
                    switch kind {
                    case .trade: names.liveTrades(of: symbol, source)
                    case .quote: names.liveQuotes(of: symbol, source)
                    case .providerBar: names.liveProviderBars(of: symbol, source)
                    default: names.liveBars(of: symbol, source)
                    }
                }
            }
    }

    private func subscribe(
        _ connection: NatsConnection, _ subject: String
    ) throws(NatsError) -> NatsSubscription {
        let (mailbox, tooMany) = (mailbox, tooMany)
        return try connection.subscribe(subject, pendingMessagesMax: Self.messagesMax) { message in
            if !mailbox.send(message) { tooMany.count.add(1, ordering: .relaxed) }
        }
    }

    private var hasReachedLimit: Bool { command.limit.map { ticks >= $0 } ?? false }

    private func listen(_ connection: NatsConnection, _ shutdown: ShutdownSignal) {
        var messages: [NatsMessage] = []
        while !shutdown.isRequested, !output.isGone, !hasReachedLimit {
            _ = mailbox.receive(
                into: &messages, max: Self.messagesPerTurn, timeout: Self.turn)
            for message in messages where !hasReachedLimit { show(message) }
            messages.removeAll(keepingCapacity: true)
            output.flush()
            output.look()
        }
    }

    // MARK: messages

    private func show(_ message: NatsMessage) {
        let text = message.withPayload { $0.text }
        guard LiveMessage.read(text, into: &tick) else {
            problems += 1
            if problems == 1 {
                output.flush()
                terminal.problem(
                    "\(message.subject): not a message of the live fan-out that this release knows")
            }
            return
        }
        ticks += 1
        if command.format == .json {
            output.text(text)
            output.text("\n")
            output.flushIfLarge()
        } else {
            printer.line(tick, &output)
        }
    }

    private func ending(_ shutdown: ShutdownSignal) -> ExitCode {
        let left = tooMany.count.load(ordering: .relaxed)
        if left > 0 {
            terminal.problem("\(left) messages came faster than they could be written")
        }
        if shutdown.isRequested { terminal.problem("\(ticks) ticks") }
        if problems > 0 {
            terminal.problem("\(problems) messages were not those of the live fan-out")
            return .dataError
        }
        if let failure = output.failure, failure != EPIPE {
            terminal.problem("cannot write: \(SystemErrorCode(rawValue: failure))")
            return .ioError
        }
        return .success
    }
}

/// Parses a message of the live fan-out into a tick that a tail prints.
enum LiveMessage {
    /// Members of the message that are not shown as values.
    private static let places: Set<String> = [
        "v", "kind", "symbol", "time", "source", "partition", "ordinal", "epoch",
    ]
    private static let ending = "_ns"

    /// Returns false if the text is not such a message; the tick must then not be used. Any client
    /// may publish there, so a message must be one line of JSON that identifies a tick.
    static func read(_ text: String, into tick: inout ListedTick) -> Bool {
        guard !text.utf8.contains(where: { $0 < 0x20 }), let json = parsed(text),
            let kind = json["kind"]?.string.flatMap({ TickKind(name: $0) }),
            let symbol = symbol(of: json, kind), readPlace(json, kind, into: &tick)
        else { return false }
        tick.kind = kind
        tick.symbol = symbol
        tick.sequence = 0
        tick.time = time("time", of: json)
        tick.fields.removeAll(keepingCapacity: true)
        for member in json.members ?? [] { add(member, of: json, to: &tick) }
        return true
    }

    /// Reads the tick's position on the tape. A bar of an open window has none. Returns false if a
    /// position is required and missing.
    private static func readPlace(
        _ json: JSONValue, _ kind: TickKind, into tick: inout ListedTick
    ) -> Bool {
        if kind == .record(.bar), json["in_progress"] == .bool(true) {
            tick.isOnTape = false
            return true
        }
        guard let source = json["source"]?.string.flatMap({ SourceName($0) }),
            let partition = json["partition"]?.int,
            (0..<Partition.countRange.upperBound).contains(partition),
            let ordinal = json["ordinal"]?.uint64, let epoch = json["epoch"]?.uint64
        else { return false }
        tick.isOnTape = true
        tick.source = source
        tick.partition = Partition(partition)
        tick.ordinal = ordinal
        tick.epoch = epoch
        return true
    }

    /// Returns the symbol; values may have none. `nil` if a required symbol is missing or invalid.
    private static func symbol(of json: JSONValue, _ kind: TickKind) -> String? {
        guard let member = json["symbol"] else { return kind == .record(.indicator) ? "" : nil }
        return member.string.flatMap { Symbol($0) }?.text
    }

    private static func parsed(_ text: String) -> JSONValue? {
        do throws(VersionedJSON.Refusal) {
            return try VersionedJSON.read(Array(text.utf8), upTo: LivePublisher.version)
        } catch {
            return nil
        }
    }

    private static func time(_ name: String, of json: JSONValue) -> Timestamp {
        let nanoseconds = json["\(name)\(ending)"]?.int.flatMap { Int64(exactly: $0) }
        return nanoseconds.map { Timestamp(nanoseconds: $0) } ?? .undefined
    }

    private static func add(
        _ member: JSONValue.Member, of json: JSONValue, to tick: inout ListedTick
    ) {
        let name = member.key
        guard !places.contains(name), !name.hasSuffix(ending) else { return }
        let time = time(name, of: json)
        switch member.value {
        case _ where time.isDefined: tick.fields.add(name, .time(time))
        case .string(let text): tick.fields.add(name, .text(text))
        case .number(let digits): tick.fields.add(name, .text(digits))
        case .array(let values): tick.fields.add(name, .flags(values.compactMap(\.string)))
        case .bool(let isSo): tick.fields.add(name, .truth(isSo))
        case .null, .object: return
        }
    }
}
