import LatestValues
import MarketModel
import PostgresClient
import Primitives
import ServiceRuntime
import TapeProtocol
import TapeTransport
import ValkeyClient

/// `tapeline latest`: the latest values of symbols, as the hot state in Valkey has them.
struct LatestCommand: ToolCommand {
    var target = TapeTarget()
    var symbols: [Symbol] = []
    /// `nil` means all sources.
    var source: SourceName?
    var series: [SeriesName] = []
    /// How old a value may be, in nanoseconds. `nil`: of any age.
    var freshNanoseconds: Int64?
    var asJSON = false

    static let page = CommandPage(
        "latest", .data, "the latest values of symbols", also: [.source],
        """
        latest SYMBOL...
            the last trade and quote of each source, from Valkey: with ordinal and age, what the
            tape says of the feed, how many records of its lane are not in Valkey yet, and how many
            stretches of its data are missing, by the database. 2: a value is unknown
        --series NAME
            the last bar of this series, too; may be repeated
        --fresh LENGTH
            such as 5s or 500ms. 1: a value is older, or unknown
        --json
            an object per line
        $ tapeline latest AAPL
        $ tapeline latest AAPL MSFT --source ibkr --fresh 5s --json
        """)

    /// Everything that is wrong is reported together.
    static func read(_ given: CommandArguments) throws(ToolError) -> LatestCommand {
        var command = LatestCommand()
        var problems: [String] = []
        func take(_ read: () throws(ToolError) -> Void) {
            do throws(ToolError) { try read() } catch { problems.append("\(error)") }
        }
        take { () throws(ToolError) in command.target = try TapeTarget(given) }
        take { () throws(ToolError) in command.symbols = try given.symbols() }
        take { () throws(ToolError) in command.source = try given.source() }
        take { () throws(ToolError) in command.series = try given.seriesList() }
        take { () throws(ToolError) in
            command.freshNanoseconds = try given.one("--fresh").map { text throws(ToolError) in
                try length(text)
            }
        }
        command.asJSON = given.asJSON
        guard problems.isEmpty else { throw .usage(problems.joined(separator: "; ")) }
        return command
    }

    private static let units: [(letters: String, nanoseconds: Int64)] = [
        ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000),
    ]

    private static func length(_ text: String) throws(ToolError) -> Int64 {
        for unit in units where text.hasSuffix(unit.letters) {
            guard let number = UInt32(text.dropLast(unit.letters.count)), number > 0 else {
                continue
            }
            let (length, overflow) = Int64(number).multipliedReportingOverflow(by: unit.nanoseconds)
            if !overflow { return length }
        }
        throw .usage("--fresh wants a length such as 5s or 500ms, not '\(text.prefix(20))'")
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        let deployment = try deployment(tool)
        guard let valkey = deployment.valkey else {
            throw .usage("no Valkey is named: \(Self.help)")
        }
        var values = try read(deployment, valkey)
        addRest(to: &values, deployment, tool.terminal)
        let now = SystemClock().now()
        if asJSON {
            for value in values {
                tool.terminal.line(JSONWriter.made { value.write(into: &$0, now) }.text)
            }
        } else {
            let lines = [LatestTable.head] + values.map { LatestTable.line($0, now) }
            for line in TextTable.lines(lines, numbers: LatestTable.numbers) {
                tool.terminal.line(line)
            }
        }
        return Self.outcome(values, fresh: freshNanoseconds, now: now)
    }

    private static let help =
        "set VALKEY_HOST, VALKEY_USER and VALKEY_PASSWORD (or VALKEY_PASSWORD_FILE)"

    private func deployment(_ tool: Tool) throws(ToolError) -> Deployment {
        do throws(ToolError) {
            return try tool.deployment(target)
        } catch {
            guard target == TapeTarget(), tool.environment["VALKEY_HOST"] == nil,
                case .usage(let problem) = error
            else { throw error }
            throw .usage("\(problem); for a server of your own also \(Self.help)")
        }
    }

    private func read(
        _ deployment: Deployment, _ valkey: ValkeyConfiguration
    ) throws(ToolError) -> [LatestValue] {
        do throws(ValkeyError) {
            let session = try ValkeyConnection(valkey)
            defer { session.close() }
            return try LatestReader(namespace: deployment.names.namespace, session)
                .values(.init(symbols, of: source, series), now: SystemClock().now())
        } catch {
            throw .unreachable("\(error)")
        }
    }

    /// Adds what tape and database say. What they do not say is unknown, and why is reported.
    private func addRest(
        to values: inout [LatestValue], _ deployment: Deployment, _ terminal: Terminal
    ) {
        let isAnyKnown = values.contains { $0.unknown == nil }
        if isAnyKnown {
            do {
                let client = try deployment.connect()
                defer { client.close() }
                try values.addFeeds(client)
            } catch {
                terminal.problem("the feeds are unknown: \(error)")
            }
        }
        guard deployment.postgres != nil, isAnyKnown || !series.isEmpty else { return }
        var lacking = isAnyKnown ? "the gaps are unknown" : "which series are stored is unknown"
        do {
            let session = try deployment.openDatabase()
            defer { session.close() }
            let ask = { (sql: String, given: [PostgresValue]) throws(PostgresError) in
                try session.execute(sql, given, timeout: Self.gapsTimeout)
            }
            let namespace = deployment.names.namespace
            if isAnyKnown {
                values.add(try OpenGaps(namespace, of: symbols, ask))
                lacking = "which series are stored is unknown"
            }
            guard !series.isEmpty else { return }
            let stored = try ask("SELECT series FROM \"\(namespace)\".bar_series ORDER BY 1", [])
            Self.name(&values, stored: (0..<stored.rowCount).compactMap { stored[$0, 0] })
        } catch {
            terminal.problem("\(lacking): \(error)")
        }
    }

    /// Names a series of which no symbol has a bar: it is a typing error.
    static func name(_ values: inout [LatestValue], stored: [String]) {
        for index in values.indices {
            guard let why = values[index].unknown, LatestValue.isAbsent(why) else { continue }
            let kind = values[index].kind
            guard kind.hasPrefix("bar "), !stored.contains(String(kind.dropFirst(4))) else {
                continue
            }
            let known = stored.isEmpty ? "none" : stored.prefix(16).joined(separator: ", ")
            values[index].unknown = "no such series is stored: there are \(known)"
        }
    }

    /// How long the database may take.
    private static let gapsTimeout = Duration.seconds(2)

    /// Returns how the command ends.
    static func outcome(_ values: [LatestValue], fresh: Int64?, now: Timestamp) -> ExitCode {
        if let fresh {
            return values.allSatisfy { ($0.age(now) ?? Int64.max) <= fresh } ? .success : .failure
        }
        return values.allSatisfy { $0.unknown == nil } ? .success : .incomplete
    }
}
