import Primitives
import ServiceRuntime

/// The settings from `--set KEY=VALUE` and `--settings FILE`. The prefix of a key determines which
/// services get it; the services themselves check key and value.
struct StackSettings: Equatable, Sendable {
    enum Receiver { case all, gateway, operators, writer, cockpit, alerts, simulator }

    static let countMax = 64
    static let bytesMax = 4_096
    private static let receivers: [(prefix: String, receiver: Receiver)] = [
        ("GATEWAY_", .gateway), ("SYNTHETIC_", .gateway), ("IBKR_", .gateway),
        ("BINANCE_", .gateway), ("ALPACA_", .gateway), ("MASSIVE_", .gateway),
        ("REPLAY_", .gateway), ("FRED_", .gateway), ("COINGECKO_", .gateway),
        ("ALTERNATIVE_", .gateway),
        ("OPERATOR_", .operators), ("STORE_", .writer), ("WRITER_", .writer),
        ("CLICKHOUSE_", .writer), ("QUESTDB_", .writer),
        ("COCKPIT_", .cockpit),
        ("ALERTS_", .alerts), ("SIMULATOR_", .simulator),
        ("LOG_", .all), ("MDS_", .all), ("OTEL_", .all),
    ]
    /// Keys that the stack sets itself, with different values per process.
    private static let fixed: Set<String> = [
        "MDS_MEMBER", "MDS_PLACE", "GATEWAY_SPOOL", "GATEWAY_DEAD_LETTERS", "WRITER_DEAD_LETTERS",
        "STORE_NAME", "COCKPIT_SERVICES", "COCKPIT_STACK", "COCKPIT_SIMULATED", "CLICKHOUSE_URL",
        "CLICKHOUSE_USER", "CLICKHOUSE_DATABASE", "QUESTDB_URL", "QUESTDB_USER",
    ]

    /// The default of `WRITER_COMPRESS_AFTER`.
    private static let compressAfter: Duration = .seconds(7 * 86_400)

    /// The keys of alerts. Their URLs are secrets, and so in files.
    private static let alertKeys: Set<String> = [
        "ALERTS_WEBHOOK_FILE", "ALERTS_WATCHDOG_FILE", "ALERTS_RECEIVER",
    ]

    private(set) var values: [(key: String, value: String)] = []

    static func == (left: StackSettings, right: StackSettings) -> Bool {
        left.arguments == right.arguments
    }

    init() {}

    /// What the arguments of `up` set.
    init(of arguments: [String]) throws(ToolError) {
        for (option, text) in zip(arguments, arguments.dropFirst()) where option == "--set" {
            try add(text)
        }
    }

    /// Adds "KEY=VALUE". The last value of a repeated key applies.
    mutating func add(_ text: String) throws(ToolError) {
        guard let equals = text.firstIndex(of: "="), text.utf8.count <= StackSettings.bytesMax
        else { throw .usage("--set wants KEY=VALUE, not '\(text.prefix(80))'") }
        let key = String(text[..<equals])
        guard StackSettings.receiver(of: key) != nil, !StackSettings.fixed.contains(key) else {
            throw Self.refused(key)
        }
        if key.hasPrefix("ALERTS_"), !Self.alertKeys.contains(key) {
            guard Self.alertKeys.contains("\(key)_FILE") else { throw Self.refused(key) }
            throw .usage(
                "\(key) would show in the list of processes: write it into a file of its own and "
                    + "name that: \(key)_FILE=…")
        }
        if key == "OTEL_EXPORTER_OTLP_HEADERS" || StoreURL.passwordFiles.contains("\(key)_FILE") {
            throw .usage(
                "\(key) would show in the list of processes: write it into a file of its own and "
                    + "name that: \(key)_FILE=…")
        }
        if key.hasPrefix("SIMULATOR_"), SimulatorPlan.flags[key] == nil {
            let known = SimulatorPlan.flags.keys.sorted().joined(separator: ", ")
            throw .usage("--set knows of the simulator's keys only \(known)")
        }
        guard values.count < StackSettings.countMax else {
            throw .usage("--set may come \(StackSettings.countMax) times at most")
        }
        values.removeAll { $0.key == key }
        values.append((key, String(text[text.index(after: equals)...])))
    }

    private static func refused(_ key: String) -> ToolError {
        let names = KeyCatalogue.product.names
        let isOfServer = ["NATS_", "POSTGRES_"].contains { key.hasPrefix($0) }
        if isOfServer, key.contains("_TLS_") || key.contains("_SSL") {
            return .usage(
                "--set cannot change '\(key)': the servers of a local stack are on this machine "
                    + "alone, without TLS; a cluster has it (docs/cluster.md)")
        }
        if names.contains(key) {
            return .usage("--set cannot change '\(key)' of a local stack: it sets that itself")
        }
        let near = NearestName.of(key, in: names).map { ": did you mean \($0)?" } ?? ""
        return .usage("--set: '\(key.prefix(80))' is no setting of a service\(near)")
    }

    /// Refuses what no local stack has, and what Python's packages lack.
    func check(isPackage: Bool) throws(ToolError) {
        if self["MDS_REPLICAS"] == "3" {
            throw .usage(
                "MDS_REPLICAS=3 wants three servers of NATS, and a local stack has one: a cluster "
                    + "has three (docs/copies.md)")
        }
        let alerting = Self.alertKeys.sorted().first { !["", nil].contains(self[$0]) }
        if isPackage, let key = alerting {
            throw .usage(
                "\(key) wants Prometheus and Alertmanager, which Python's packages lack: a stack "
                    + "of a checkout sends alerts (docs/operate.md)")
        }
        // The default, and what stands for never, want nothing.
        let age = self["WRITER_COMPRESS_AFTER"].flatMap(DurationText.parse) ?? .zero
        let compresses = ![.zero, Self.compressAfter].contains(age)
        let isDaily = !["", "false", "no", "off", "0"]
            .contains(self["WRITER_DAILY_BARS"]?.lowercased() ?? "")
        guard isPackage, compresses || isDaily else { return }
        throw .usage(
            "\(compresses ? "WRITER_COMPRESS_AFTER" : "WRITER_DAILY_BARS") wants TimescaleDB, and "
                + "PostgreSQL of Python's packages has none: leave it out, "
                + "or use a database of a cluster (docs/cluster.md)")
    }

    func environment(for receiver: Receiver) -> [String: String] {
        var environment: [String: String] = [:]
        for (key, value) in values {
            guard let wanted = StackSettings.receiver(of: key) else { continue }
            if wanted == .all || wanted == receiver { environment[key] = value }
        }
        return environment
    }

    subscript(key: String) -> String? { values.first { $0.key == key }?.value }

    /// The settings as arguments of the supervisor.
    var arguments: [String] { values.flatMap { ["--set", "\($0.key)=\($0.value)"] } }

    var namespace: String { self["MDS_NAMESPACE"] ?? "md" }

    private static func receiver(of key: String) -> Receiver? {
        receivers.first { key.hasPrefix($0.prefix) }?.receiver
    }

    /// Returns these settings with others, which count where both have a key.
    func merging(_ others: StackSettings) -> StackSettings {
        var merged = self
        merged.values.removeAll { others[$0.key] != nil }
        merged.values += others.values
        return merged
    }

    /// Their settings stay with a stack until others are given: its data are made with them. Those
    /// of a gateway stay with its source.
    private static let remembering: Set<Receiver> = [.operators, .writer, .cockpit, .alerts]

    /// Returns these settings with what a stack had at its start before, by the arguments of that.
    /// An empty value takes a setting of before back. `all` is for a start without a person, who
    /// otherwise names what all services get.
    func following(_ arguments: [String], all takesAll: Bool = false) throws(ToolError)
        -> StackSettings
    {
        let before = try StackSettings(of: arguments)
            .limited(to: takesAll ? Self.remembering.union([.all]) : Self.remembering)
        var all = before.merging(self)
        all.values.removeAll { before[$0.key] != nil && $0.value.isEmpty }
        return all
    }

    /// Returns the settings that these receivers get.
    func limited(to receivers: Set<Receiver>) -> StackSettings {
        var limited = StackSettings()
        limited.values = values.filter { entry in
            StackSettings.receiver(of: entry.key).map { receivers.contains($0) } ?? false
        }
        return limited
    }
}
