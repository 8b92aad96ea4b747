import MarketModel
import Primitives
import ServiceRuntime
import TapeCodec
import TapeProtocol
import TapeTraces
import TapeTransport

/// `tapeline trace`: one tick, and when each part of the deployment had it.
struct TraceCommand: ToolCommand {
    /// The tick that is meant.
    enum Subject: Equatable, Sendable {
        case address(TickAddress)
        /// The first one of a symbol at a time or after it.
        case from(Timestamp, of: Symbol, source: SourceName?, kind: RecordKind?)
    }

    var target = TapeTarget()
    let subject: Subject
    var asJSON = false

    static let page = CommandPage(
        "trace", .proof, "one tick, and when each part had it", also: [.zone, .json],
        """
        trace SYMBOL TIME
            the first tick at this time or after it: when it was received, sealed into a packet,
            taken by the tape, read and committed, each time with the clock that says it; the bars
            that hold its time; how far the clocks differ. A time that nothing recorded is 'not
            known'
        trace SOURCE/PARTITION/ORDINAL
            the tick of this address, as 'tapeline tail' and the column tick_id show it
        --source NAME, --kind K
            SYMBOL TIME: only ticks of this source, and of this kind (trade, quote, ...)
        $ tapeline trace AAPL 14:31:02.5 --kind trade
        $ tapeline trace ibkr/3/1042 --json
        """)

    private static let timeOptions = ["--source", "--kind", TimeWords.option]

    static func read(_ given: CommandArguments) throws(ToolError) -> TraceCommand {
        let target = try TapeTarget(given)
        guard given.words.count == 1 else {
            let symbol = try given.symbol(given.words[0])
            let time = try given.time(given.words[1], "the time")
            return TraceCommand(
                target: target,
                subject: .from(
                    time, of: symbol, source: try given.source(),
                    kind: try given.choice("--kind")),
                asJSON: given.asJSON)
        }
        guard let address = TickAddress(given.words[0]) else {
            throw .usage(
                "'\(given.words[0].prefix(60))' is no address (SOURCE/PARTITION/ORDINAL): a symbol "
                    + "wants a time, 'tapeline trace SYMBOL TIME'")
        }
        if let option = timeOptions.first(where: given.has) {
            throw .usage("\(option) is for 'tapeline trace SYMBOL TIME': an address names one tick")
        }
        return TraceCommand(target: target, subject: .address(address), asJSON: given.asJSON)
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        let deployment = try tool.deployment(target)
        let client = try deployment.openTape()
        defer { client.close() }
        let lookup = TraceLookup(client: client, shutdown: try tool.signals())
        let tick: TracedTick
        do {
            tick = try lookup.tick(subject)
        } catch {
            throw ToolError(reading: error)
        }
        let report = TraceReport(
            tick: tick, books: TraceBooks.look(up: tick, deployment),
            nats: NatsLook(deployment: deployment, client: client).clock,
            trace: TraceID(
                namespace: Checksum.of(client.names.namespace), tick.packet.header))
        tool.terminal.show(report.lines, json: report.json, asJSON)
        return .success
    }
}
