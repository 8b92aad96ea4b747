internal import IBEngine
package import ProviderKit
internal import ServiceRuntime

private let group = "Interactive Brokers"
/// The engine's default settings, from which the keys take their defaults.
private let usual = IBEngineSettings(seed: 0)

extension ProviderKind {
    /// The provider of `GATEWAY_PROVIDER=ibkr`.
    package static let interactiveBrokers = ProviderKind(
        name: IBKRProvider.providerName,
        keys: [
            ConfigurationKey(
                "IBKR_HOST", .text, default: "127.0.0.1", group: group,
                "Where TWS or IB Gateway runs: a name or an address."),
            ConfigurationKey(
                "IBKR_PORT", .integer(1...65_535), default: "4001", group: group,
                "Its API port: IB Gateway has 4001 (paper: 4002), TWS 7496 (paper: 7497)."),
            ConfigurationKey(
                "IBKR_CLIENT_ID", .integer(0...Int(Int32.max)), default: "\(usual.clientID)",
                group: group,
                "The client id; each gateway of the same TWS, standbys too, has its own."),
            ConfigurationKey(
                "IBKR_CONNECT_TIMEOUT", .duration(.milliseconds(100)...Duration.seconds(60)),
                default: "5s", group: group, "How long an attempt to connect may take."),
            ConfigurationKey(
                "IBKR_DELAYED", .choice(["auto", "true", "false"]), default: usual.delayed.rawValue,
                group: group,
                "auto: delayed data where live are refused; true: delayed alone; false: none."),
            ConfigurationKey(
                "IBKR_LINES", .integer(1...10_000), default: "\(usual.lines)", group: group,
                "Market data lines of the account; instruments beyond wait for one."),
            ConfigurationKey(
                "IBKR_TICK_LINES", .integer(0...1_000), default: "\(usual.tickByTickLines)",
                group: group,
                "Tick-by-tick lines of the account; feeds beyond wait for one."),
            ConfigurationKey(
                "IBKR_SILENT_AFTER", .duration(.seconds(5)...Duration.seconds(3_600)),
                default: "\(usual.silentAfter.components.seconds)s",
                group: group,
                "In trading hours a feed that is silent for so long is asked for anew."),
            ConfigurationKey(
                "IBKR_BACKFILL", .flag, default: "\(usual.canBackfill)", group: group,
                "Whether gaps are filled from the broker's history."),
            ConfigurationKey(
                "IBKR_DEPTH_ROWS", .integer(1...50), default: "\(usual.depthRows)", group: group,
                "Rows of a book on each side; the exchange may have fewer."),
            ConfigurationKey(
                "IBKR_RECONNECT_FIRST", .duration(.milliseconds(100)...Duration.seconds(600)),
                default: "\(usual.reconnectFirst.components.seconds)s", group: group,
                "Wait after a first attempt that nobody answered; then it doubles."),
            ConfigurationKey(
                "IBKR_RECONNECT_MAX", .duration(.seconds(1)...Duration.seconds(3_600)),
                default: "\(usual.reconnectMax.components.seconds)s", group: group,
                "Longest wait between two attempts, which never end."),
            ConfigurationKey(
                "IBKR_ALARM_ATTEMPTS", .integer(1...1_000), default: "\(usual.alarmAttempts)",
                group: group,
                "Failed attempts in a row, over a minute at least, that raise the alarm."),
            ConfigurationKey(
                "IBKR_REGION", .choice(AccountRegion.allCases.map(\.rawValue)),
                default: usual.region.rawValue, group: group,
                "Where the account's servers are: it says when they are restarted every night."),
        ],
        rules: [
            // The characters of names and addresses, without blanks and slashes. A DNS name has at
            // most 253 bytes.
            ConfigurationRule { configuration in
                let host = configuration.text("IBKR_HOST")
                let isName = host.utf8.allSatisfy { (0x21...0x7e).contains($0) && $0 != 0x2f }
                guard host.isEmpty || host.utf8.count > 253 || !isName else { return nil }
                return "IBKR_HOST: a name or an address is needed, without a port"
            }
        ]
    ) { context in
        try IBKRProvider(context)
    }
    .takingDelayed { $0.text("IBKR_DELAYED") == DelayedData.always.rawValue }
}
