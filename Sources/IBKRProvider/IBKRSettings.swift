internal import IBEngine
internal import ServiceRuntime

/// Where TWS is and what may be asked of it.
struct IBKRSettings: Sendable {
    struct Server: Hashable, Sendable {
        var host: String
        var port: UInt16
        /// Nanoseconds for one attempt, the look-up of the name included.
        var connectTimeout: Int64
        /// Nanoseconds that bytes may wait for a server that reads nothing.
        var sendTimeout: Int64 = 10_000_000_000

        var connectText: String { Self.text(connectTimeout) }
        var sendText: String { Self.text(sendTimeout) }

        private static func text(_ nanoseconds: Int64) -> String {
            "\(Double(nanoseconds / 1_000_000) / 1_000) s"
        }
    }

    var server: Server
    var engine: IBEngineSettings

    /// `seed`: of the jitter between attempts, so that many clients do not come back at once.
    init(_ configuration: Configuration, seed: UInt64) {
        server = Server(
            host: configuration.text("IBKR_HOST"),
            port: UInt16(clamping: configuration.integer("IBKR_PORT")),
            connectTimeout: configuration.duration("IBKR_CONNECT_TIMEOUT").nanoseconds)
        engine = IBEngineSettings(
            provider: IBKRProvider.providerName,
            clientID: Int32(clamping: configuration.integer("IBKR_CLIENT_ID")), seed: seed)
        engine.isDelayed = configuration.flag("IBKR_DELAYED")
        engine.lines = configuration.integer("IBKR_LINES")
        engine.tickByTickLines = configuration.integer("IBKR_TICK_LINES")
        engine.silentAfter = configuration.duration("IBKR_SILENT_AFTER")
        engine.canBackfill = configuration.flag("IBKR_BACKFILL")
    }
}

extension IBKRSettings {
    private static let group = "Interactive Brokers"

    static let keys: [ConfigurationKey] = [
        ConfigurationKey(
            "IBKR_HOST", .text, default: "127.0.0.1", group: group,
            "Where TWS or IB Gateway runs: a name or an address."),
        ConfigurationKey(
            "IBKR_PORT", .integer(1...65_535), default: "4001", group: group,
            "Its API port: IB Gateway has 4001 (paper: 4002), TWS 7496 (paper: 7497)."),
        ConfigurationKey(
            "IBKR_CLIENT_ID", .integer(0...Int(Int32.max)), default: "10", group: group,
            "The client id; each gateway of the same TWS, standbys too, has its own."),
        ConfigurationKey(
            "IBKR_CONNECT_TIMEOUT", .duration(.milliseconds(100)...Duration.seconds(60)),
            default: "5s", group: group, "How long an attempt to connect may take."),
        ConfigurationKey(
            "IBKR_DELAYED", .flag, default: "false", group: group,
            "Whether delayed data are asked for: then this source has nothing else."),
        ConfigurationKey(
            "IBKR_LINES", .integer(1...10_000), default: "100", group: group,
            "Market data lines of the account; instruments beyond wait for one."),
        ConfigurationKey(
            "IBKR_TICK_LINES", .integer(0...1_000), default: "5", group: group,
            "Tick-by-tick lines of the account; feeds beyond wait for one."),
        ConfigurationKey(
            "IBKR_SILENT_AFTER", .duration(.seconds(5)...Duration.seconds(3_600)), default: "60s",
            group: group, "In trading hours a feed that is silent for so long is asked for anew."),
        ConfigurationKey(
            "IBKR_BACKFILL", .flag, default: "true", group: group,
            "Whether gaps are filled from the broker's history."),
    ]

    static let rules: [ConfigurationRule] = [
        ConfigurationRule { configuration in
            let host = configuration.text("IBKR_HOST")
            let isName = host.utf8.allSatisfy { (0x21...0x7e).contains($0) && $0 != 0x2f }
            guard host.isEmpty || host.utf8.count > 253 || !isName else { return nil }
            return "IBKR_HOST: a name or an address is needed, without a port"
        }
    ]
}

extension Duration {
    /// Whole ones, held at the ends of 64 bits.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, isTooLong) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !isTooLong else { return seconds < 0 ? Int64.min : Int64.max }
        let (sum, isPast) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
        return isPast ? Int64.max : sum
    }
}

extension Int64 {
    /// A point on the monotonic clock so much later; never beyond its end.
    func later(by nanoseconds: Int64) -> Int64 {
        let (sum, isPast) = addingReportingOverflow(nanoseconds)
        return isPast ? Int64.max : sum
    }
}
